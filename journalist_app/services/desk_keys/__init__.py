"""The desk's own keys: who can open the keyring, and the keyring's backups.

Imports `journalist_app.desk`, `journalist_app.recovery_sheet`, modules at the root of `journalist_app`, and
`web`, `store`, `protocol` and `crypto`.

- `change_slots`: add, remove or change a passphrase, or add a recovery sheet
- `keyring_file`: read and replace the keyring's file
- `new_keys`: draw a passphrase or a recovery sheet, and use it after it was typed back
- `passphrase_strength`: how hard a typed passphrase is to guess
"""
