"""Settings file: read it, check it, write it.

Imports modules at the root of `deploy`, `source_app` and `journalist_app` (their settings), and `web` and
`store`.

- `backup_settings`: class of section [backup]
- `check_settings`: class of section [check]
- `database_settings`: class of section [database], and the place of a server's store for each role
- `database_url`: check the address of a database on a server, which contains no secret
- `load_settings`: read one section into its dataclass, and report all faults in one message
- `onion_address`: compute and check the address of an onion service
- `onion_settings`: class of section [onion]
- `public_settings`: settings that every kind of machine has
- `settings_text`: make a settings file from the example, and change one without losing comments
- `sync_settings`: class of section [sync]
"""
