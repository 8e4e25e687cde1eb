"""Reading of stored mailboxes as verified transcripts, and the only way to append entries to them.

Both apps, the sync and the clean-up use this package. It decrypts nothing. Imports `store`, `protocol`
(without the modules for the desk's secrets) and `crypto`.

- `appending`: the compare-and-set loop that appends entries to a mailbox
- `entry_form`: the hidden fields of a form that adds entries, and the check of its token
- `lost_entries`: what this store has lost, so that another store can send it again
- `reading`: parse the rows of a mailbox, and check them as a transcript
- `whole_store`: verify every mailbox of a store with public keys alone
"""
