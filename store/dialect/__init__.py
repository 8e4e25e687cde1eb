"""Dialect: everything in which the databases of the store differ. The rest of `store` is written once.

Imports only the exceptions at the root of `store`. The functions of `store` build their statements with
SQLAlchemy, and never ask which database the statements run on. They meet a database only as a `Store` of
`opened_store`.

- `opened_store`: what `store` needs from a database
- `differing_sql`: SQL that each database spells in its own way
- `forks`: closes connections before a fork
- `postgresql`: a store in a database of a PostgreSQL server: locks, connections, tables
- `postgresql_repeat`: repeats a transaction that met a deadlock
- `postgresql_rewrite`: removes deleted content from the files of a PostgreSQL server
- `postgresql_roles`: users of a PostgreSQL database, with only the rights that each needs
- `postgresql_errors`: translates PostgreSQL's errors to those of the store
- `sqlite`: a store in one SQLite file: connections, transactions, the nightly rewrite
- `sqlite_connections`: opens sqlite3 connections
- `sqlite_errors`: translates SQLite's errors to those of the store
- `sqlite_pages`: size of a page, and the page of zeros before each ciphertext
- `own_journal`: recognises a journal that belongs to another file
- `disk_room`: how many bytes of files the disk and the store's free pages can take
"""
