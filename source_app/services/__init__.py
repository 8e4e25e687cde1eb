"""Use cases of a source, without Flask: everything that a visitor can do, with or without a mailbox.

Imports modules at the root of `source_app`, and `web`, `stored_mailbox`, `store`, `protocol` and `crypto`.

- `absences`: the desk's absences, for the public pages
- `consent`: the source's answers to proposals
- `deleting`: delete messages, or end the mailbox
- `login`: new passphrases, log-in, log-out and sessions
- `mailbox_files`: the files of a mailbox, and the download of a file
- `new_entry`: the place, the signature and the limits of a new entry of the source
- `posting`: post a message with files
- `proposals`: the proposals of a mailbox, their state and the possible answers
- `published`: the letterhead and the yearly reports
- `read_receipts`: the read receipt for the desk's entries that a page showed
- `thread`: the conversation as the mailbox page shows it
- `unsent_texts`: texts that were typed and not sent
- `uploads`: read a message form from the network
- `verified_mailbox`: read, verify and decrypt the entries of a mailbox
"""
