"""Use cases of a source, without Flask: what someone with a mailbox, or without one, can do.

Imports the rest of `source_app` except its views, and `web`, `store`, `protocol` and `crypto`.

- `absences`: the desk's absences, for the public pages
- `append_entry`: the compare-and-set loop that appends an entry
- `consent`: answers to proposals
- `deleting`: delete one entry, or end the mailbox
- `login`: new passphrases, log-in, log-out and sessions
- `mailbox_files`: the files of a mailbox, and their download
- `posting`: write a message with files
- `proposals`: the proposals of a mailbox, their state and the possible answers
- `published`: the letterhead and the yearly reports
- `read_receipts`: the receipt for the entries that a page showed
- `thread`: the conversation as the mailbox page shows it
- `uploads`: read a message form from the network
- `verified_mailbox`: read, verify and decrypt the entries of a mailbox
"""
