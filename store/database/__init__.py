"""Database file of the store. Only this folder knows that it is SQLite.

- `engine`: opens the file, and sessions for reading and writing
- `connections`: opens connections of the driver, and closes them before a fork
- `schema`: tables
- `prepared_statements`: the only way in which the store reads and writes rows
- `sealed_rows`: writes encrypted rows, and counts their bytes
- `deletion_queue`: marks encrypted rows for destruction
- `sqlite_errors`: translates SQLite's errors to those of the store
"""
