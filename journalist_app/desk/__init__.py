"""The unlocked desk: keys and decrypted state in memory, automatic lock, and verification of mailboxes.

Imports `journalist_app.conversion`, `journalist_app.files`, `journalist_app.recovery_sheet`,
`journalist_app.search`, modules at the root of `journalist_app`, and `stored_mailbox`, `store`, `protocol`,
`gpg`, `programs` and `crypto`. This folder contains no Flask.

- `casefile`: the desk's notes about a mailbox, and its tallies
- `auto_lock`: holds the open desk, and locks the site after the idle time
- `new_key`: a new passphrase or recovery sheet that no one has typed back yet
- `open_desk`: keys, trusted state, caches and progress of the background work
- `private_files`: reads files that only their owner may read
- `shown_files`: converted pages of files, encrypted in memory
- `spam_choice`: mailboxes that the adviser chose to close as spam in one step
- `verification`: checks every entry of a mailbox, then decrypts them
"""
