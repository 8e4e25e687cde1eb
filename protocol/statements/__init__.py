"""Signed statements about a mailbox, beside its entries.

Imports only from `crypto` and the rest of `protocol`.

- `deletion_order`: the desk's signed instruction to delete a mailbox
- `heads`: the newest entry of every strand, as statements write it
- `removal`: signed tombstones of entries, and of mailboxes that their source ended
"""
