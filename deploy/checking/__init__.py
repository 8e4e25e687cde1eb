"""Checks of a machine: unsafe states, for the start of the programs too, and everything of `steunpunt check`.

Imports `deploy.backup`, `deploy.onion`, `deploy.settings`, modules at the root of `deploy`, and `crypto`,
`protocol`, `store` and `web`. The modules look at settings, files, the system and the network, and read the
store. What a program does at its start loads no code of the two apps.

- `all_checks`: all checks in order
- `backup_checks`: age of the backups, agreement with the desk's promise, rehearsed restore
- `check_results`: result of one check: its level, what was found, and what to do
- `contact_checks`: contact for weaknesses of the site
- `keyring_checks`: the keyring's backup, and the recovery sheet
- `machine_files`: settings as they are written, and the files and folders that they name
- `network_checks`: Tor and the onion services, and the headers of the site
- `running_programs`: programs of the mailbox in /proc
- `store_checks`: store, whole-store check, letterhead, and room on the disk
- `system_checks`: running programs, core dumps, swap, and addresses in logs
- `unsafe_states`: the table of unsafe states, and the warning or refusal at the start
- `watch`: check every hour, health socket, and the command on failure
"""
