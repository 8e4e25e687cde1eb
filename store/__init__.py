"""Store of ciphertext, signatures, days and counts in one SQLite file. See docs/store.md.

Imports no other package. Functions take a session of `database.engine.Store` and never commit.
In every module, `find` returns one row or None, `of_mailbox` all rows of a mailbox, and `count` a number of
rows. `add` writes a row unless it is there, `put` replaces the row that is there, `drop` deletes it or does
nothing if it is missing. `apply_from_peer` writes a row that a pouch contained.

- `attachments`: files of entries, in chunks, also while they are uploaded
- `cleanup`: destruction of deleted rows, and the nightly rewrite of the file
- `deletion_orders`: the desk's orders to delete a mailbox on a day
- `entries`: entries of a mailbox, appended with compare-and-set
- `errors`: exceptions of the store
- `ledger_tallies`: anonymous counts that remain of deleted mailboxes
- `letterheads`: the desk's signed configuration, by serial
- `mailboxes`: mailboxes, the lists of the inbox, and ended mailboxes
- `outbox`: replication queue: items that a peer may not have yet
- `peers`: other stores that this store exchanges pouches with
- `public_files`: files for everyone, such as yearly reports
- `quota`: free space for files
- `records`: the desk's own encrypted records, by kind and name
- `sessions`: login sessions of sources, in a file of their own in memory
- `sync_findings`: faults at the server that a sync detected
- `database/`: engine, tables, prepared statements; `migrations/`: versions of the tables
"""
