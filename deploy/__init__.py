"""The `steunpunt` command and the Debian packages: set-up, servers, checks, backups, upgrades, sync, onion.

Imports `source_app`, `journalist_app`, `sync`, `report`, `stored_mailbox`, `web`, `store`, `protocol`, `gpg`,
`programs` and `crypto`. Nothing imports `deploy`. Its packages import each other in this direction:
`cli` → `serving` → `syncing` → `pairing` → `onion` → `settings` → the modules at the root. `backup` imports
`onion`, `settings` and root modules only. `checking` imports `backup` too. `upgrading` imports `checking`,
`backup`, `settings` and root modules only. `sweeping` imports `backup`, `settings` and root modules only.
`demo` imports `settings` and root modules only. Four root modules import packages: `desk_for_command`,
`keys_at_terminal` and `setup` import `settings`, and `report_files` imports `serving`.

- `cli`: commands: read the arguments, call one function, print
- `settings`: the settings file
- `serving`: gunicorn, its workers, and the supervisor
- `pairing`: server and workstations exchange their public keys
- `syncing`: sync as commands and timers start it
- `onion`: onion services of Tor
- `backup`: backups of a server, and how long they are kept
- `checking`: unsafe states at the start, and `steunpunt check`
- `sweeping`: the background tasks that destroy deleted content
- `upgrading`: the settings and the store of an older version
- `poster`: the poster for partner organisations
- `demo`: a trial desk with invented mailboxes
- `debian`: the Debian packages: systemd units, AppArmor profiles, settings of Tor, list of materials
- `atomic_folder`: make a folder completely or not at all
- `clock`: compare the clock with the newest day in the store
- `desk_for_command`: unlock the desk for one command
- `desk_openpgp_key`: the desk's OpenPGP key
- `exit_codes`: exit statuses of all commands
- `errors`: exceptions whose message is one sentence for the operator
- `hardening`: protect memory and files of a process against others
- `keys_at_terminal`: list and change the passphrases and sheets that open the keyring
- `noted_days`: days on which long tasks last ended, such as the rewrite of the store
- `pinned_letterhead`: verify the letterhead in the store, and watch for a newer one
- `ports`: check that an address is free
- `quiet_log`: logging without anything from a request
- `recover_keyring`: put a backup of the keyring in its place
- `report_files`: files of a yearly report
- `setup`: make a new desk
"""
