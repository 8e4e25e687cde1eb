"""Access to the store's database file. Only this folder knows that this database is SQLite.

`store.sessions` has a separate SQLite file of its own.

Imports only the exceptions at the root of `store`.

- `engine`: opens the file, and sessions for reading and writing
- `connections`: opens sqlite3 connections, and closes them before a fork
- `own_journal`: recognises a journal that belongs to another file
- `schema`: tables
- `table_versions`: recognises the version of a store's tables, and tables that someone changed
- `prepared_statements`: the classes with which the store reads and writes all rows
- `sealed_rows`: writes encrypted rows, and counts their bytes
- `damaged_rows`: counts rows with values that our code never writes
- `one_by_one`: work on many mailboxes, in which a fault of one never ends the work on the others
- `deletion_queue`: marks encrypted rows for destruction
- `disk_room`: how many bytes of files the disk and the store's free pages can take
- `file_copies`: writes a copy of the file for a backup, and puts a copy in its place
- `atomic_files`: replaces a file in one step, such as the keyring, and flushes folders to the disk
- `keyring_backups`: the keyring's backups in a folder, as files that only advisers can open
- `sqlite_errors`: translates SQLite's errors to those of the store
"""
