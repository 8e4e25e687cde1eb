"""Kinds of items in a pouch (sync bundle): a module for each kind, with its `pack`, `verify` and `apply`.

`pack` makes an item from the rows of this store, `verify` checks a received item against its signatures, and
`apply` changes this store. A kind that needs no check of its own has no `verify`. The formats are in
`protocol.pouch.pouch_items`. Imports `stored_mailbox`, `store`, `protocol` and `crypto`, and two modules
at the root of `sync`: the endpoint and the exceptions.

To add or remove a kind, add or remove its module and its lines in `item_kinds`.

- `item_kinds`: table of all kinds, which the drivers `sync.build`, `sync.verify` and `sync.apply` use
- `contexts`: state of one pouch while it is built, verified or applied
- `letterhead_item`: the desk's newest letterhead
- `listed_records`: list of the records of the server, so that a workstation sends again what the server lost
- `mailbox_item`: a mailbox's public keys, and all items of one mailbox in their order
- `entry_item`: an entry
- `attachment_items`: an attachment's header and chunks
- `ending_item`: the proof that a mailbox was ended or deleted
- `record_item`: a sealed record of the desk
- `tallies_item`: the tallies beside a mailbox
- `tally_item`: one tally of the ledger
- `public_file_item`: a file of a yearly report
- `damaged_item`: a report that something in the sender's store does not verify
- `held_item`: the mailboxes and entries that a workstation holds, so that the server sends what is missing
"""
