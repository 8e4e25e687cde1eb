"""Use cases about the desk as a whole.

Imports `journalist_app.services` (the inbox), `journalist_app.services.closing`,
`journalist_app.services.desk_keys`, `journalist_app.services.mailbox`, `journalist_app.services.records`,
`journalist_app.desk`, `journalist_app.cleaning`, `journalist_app.files`, `journalist_app.search`, modules at
the root of `journalist_app`, and `sync`, `report`, `web`, `stored_mailbox`, `store`, `protocol` and `crypto`.

- `background_check`: checks the store for changes, in the background
- `desk_calendar`: reads and publishes the desk's calendar and response times
- `desk_texts`: reads and publishes the desk's texts for sources
- `letterhead_merge`: merges two letterheads that were signed at the same time
- `merge_records`: merges records that two workstations changed
- `publish_letterhead`: signs the next letterhead
- `publish_report`: freezes and publishes a yearly report
- `report_ledger`: decrypts the ledger's tallies
- `report_records`: reads the frozen counts and texts of a report
- `sync_replica`: syncs with the server
- `sync_status`: status of syncing, for pages
- `unlocking`: opens the keyring with the passphrase
- `whole_check`: verifies every entry and file of the store, in the background
- `yearly_report`: counts a year, and builds the report's files
"""
