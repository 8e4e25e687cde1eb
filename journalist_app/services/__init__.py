"""Use cases of the adviser, without Flask. May import every package of the app except `views` and `requests`.

- `mailbox`: reads a mailbox, and answers in it
- `passing_on`: proposes to pass on, and passes on
- `closing`: closes mailboxes, and counts ended and deleted mailboxes
- `records`: casefiles, drafts, reply templates and other sealed records
- `desk`: unlocks the desk; calendar, syncing and yearly report
- `inbox_lists`, `inbox_rows`: the lists of the inbox, and their rows
- `search_mailboxes`: full-text search with verified results
"""
