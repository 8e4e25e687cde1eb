"""Backups of a server: make them, verify them, remove old ones, and restore one.

A backup is a folder with a copy of the store, the keys in an age file, and a manifest.
Imports `deploy.onion`, `deploy.settings`, modules at the root of `deploy`, and `source_app` (its settings),
`stored_mailbox`, `web`, `store`, `protocol` and `crypto`.

- `backup_folder`: names and manifest of one backup
- `before_upgrade`: copy of a store and its settings before an upgrade
- `kept_backups`: which backups stay, and whether this agrees with what the desk promises
- `make_backup`: make a backup, and verify it
- `restore_backup`: replace a store by a backup
- `verified_copy`: verify the signatures of a copied store
"""
