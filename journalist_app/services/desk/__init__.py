"""Use cases of the desk as a whole. May import the other rooms of `services`.

- `about_desk`: facts for the page about this desk
- `background_check`: checking the store for changes, in the background
- `desk_calendar`: the calendar and the desk's norms
- `merge_records`: merging records that two workstations changed
- `publish_letterhead`: signing the next letterhead
- `publish_report`: publishing a yearly report
- `report_ledger`: the ledger's tallies, decrypted
- `report_records`: frozen counts and texts of a report
- `sync_replica`: syncing with the server
- `sync_status`: the state of syncing, for pages
- `unlocking`: opening the keyring
- `yearly_report`: counting a year and building its files
"""
