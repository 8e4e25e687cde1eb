"""Use cases of the adviser, without Flask.

Imports `journalist_app.desk`, `journalist_app.conversion`, `journalist_app.cleaning`, `journalist_app.files`,
`journalist_app.inbox`, `journalist_app.recovery_sheet`, `journalist_app.search`, modules at the root of
`journalist_app`, and `sync`, `report`, `web`, `stored_mailbox`, `store`, `protocol` and `crypto`.

- `mailbox`: reads a mailbox, and answers in it
- `passing_on`: proposes to pass on, and passes on
- `closing`: closes mailboxes, and counts ended and deleted mailboxes
- `desk_keys`: who can open the keyring, and its backups
- `records`: casefiles, drafts, reply templates and other sealed records
- `whole_desk`: unlocks the desk; calendar, syncing and yearly report
- `inbox_lists`, `inbox_rows`: the lists of the inbox, and their rows
- `search_mailboxes`: full-text search with verified results
"""
