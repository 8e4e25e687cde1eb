"""Signed statements about a mailbox beside its entries: heads, removals, deletion orders."""
