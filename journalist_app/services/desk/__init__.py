"""Use cases about the desk as a whole. May import the other folders of `services`.

- `background_check`: checks the store for changes, in the background
- `desk_calendar`: reads and publishes the desk's calendar and response times
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
