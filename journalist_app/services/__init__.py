"""Use cases of the adviser, without Flask. May import every package below, except `views` and `requests`.

- `mailbox`: reading, answering, and orders to delete
- `passing_on`: proposing and passing on
- `closing`: closed, ended and deleted mailboxes
- `records`: casefiles, drafts, templates and other records
- `desk`: unlocking, calendar, syncing and the yearly report
- `inbox_lists`, `inbox_rows`: the lists of the inbox, and their rows
- `search_mailboxes`: search in all decrypted text
"""
