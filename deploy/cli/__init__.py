"""Command line of `steunpunt`. Each module reads the arguments, calls one function of `deploy`, and prints.

Imports `deploy.backup`, `deploy.checking`, `deploy.demo`, `deploy.sweeping`, `deploy.onion`,
`deploy.pairing`, `deploy.poster`, `deploy.serving`, `deploy.settings`, `deploy.syncing`, `deploy.upgrading`,
modules at the root of `deploy`, and `source_app`, `journalist_app`, `sync`, `stored_mailbox`, `web`, `store`,
`protocol` and `crypto`. Imports of our own code are inside the functions, so that `steunpunt` starts fast and
each process loads only its own part.

- `main`: options of all commands, and the list of commands
- `setup_commands`: setup, upgrade
- `run_commands`: run, demo
- `check_commands`: check
- `backup_commands`: backup, restore
- `server_commands`: server
- `workstation_commands`: workstation
- `keys_commands`: keys
- `store_commands`: store
- `onion_commands`: onion
- `pouch_commands`: pouch
- `report_commands`: report
- `manual_pages`: manual pages, made from the commands
- `shell_completion`: completion of commands in bash, zsh and fish
- `terminal`: types of arguments, questions and progress lines that several commands share
"""
