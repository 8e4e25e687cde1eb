"""Store of ciphertext, signatures, days and counts in a database. See docs/store.md.

Imports none of our other packages. Functions take a session of `database.engine.Store` and
never commit. In every module, `find` returns one row or None, `of_mailbox` returns all rows of a mailbox, and
`count` returns a number of rows. `add` writes a row if the store does not have that row yet. `put` writes a
row and replaces an existing row. `drop` deletes a row, or does nothing if the row is missing.
`apply_from_peer` writes a row that arrived in a pouch (sync bundle) of a peer (another store).

- `attachments`: files of entries, in chunks, also while they are uploaded
- `cleanup`: destruction of deleted rows, the nightly rewrite, and copies for backups or in another database
- `entries`: entries of a mailbox, added after a compare-and-set of its version
- `errors`: exceptions of the store
- `ledger_tallies`: anonymous counts that are kept about deleted mailboxes
- `letterheads`: the desk's signed configuration, by serial
- `mailbox_tallies`: anonymous counts beside a mailbox, for the day of its deletion
- `mailboxes`: mailboxes, the lists of the inbox, and ended mailboxes
- `outbox`: replication queue of the items that a peer may not have yet
- `peers`: other stores that this store exchanges pouches with
- `public_files`: files for everyone, such as yearly reports
- `quota`: free space for files
- `records`: the desk's own encrypted records, by kind and name
- `sessions`: login sessions of sources, in a separate SQLite file in memory
- `sync_findings`: faults at the server that a sync detected
- `database/`: tables and prepared statements; `dialect/`: what SQLite and PostgreSQL differ in;
  `migrations/`: versions of the tables
"""
