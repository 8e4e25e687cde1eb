"""Tables of the store, and the statements that read and write them.

Imports only `store.dialect` and the exceptions at the root of `store`.

- `engine`: creates, upgrades and opens a store
- `schema`: tables
- `table_versions`: recognises the version of a store's tables, and tables that someone changed
- `prepared_statements`: the classes with which the store reads and writes all rows
- `sealed_rows`: writes encrypted rows, and counts their bytes
- `damaged_rows`: counts rows with values that our code never writes
- `one_by_one`: work on many mailboxes, in which a fault of one never ends the work on the others
- `deletion_queue`: marks encrypted rows for destruction
- `row_copies`: copies all rows to a store that may be in another database
- `file_copies`: writes a copy of the file for a backup, and puts a copy in its place
- `server_copies`: writes a copy of a file or of a database for a backup, with the tables of any version
- `atomic_files`: replaces a file in one step, such as the keyring, and flushes folders to the disk
- `keyring_backups`: the keyring's backups in a folder, as files that only advisers can open
"""
