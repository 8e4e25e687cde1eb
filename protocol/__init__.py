"""Formats and rules of docs/protocol.md as pure functions, one module for each section: bytes in, bytes out.

Imports only `crypto`. Uses no file, clock, environment variable, database or log.

- `pouch`: sync bundles, and the files with which a server and a workstation are introduced
- `transcript`: check a whole mailbox, and compute what follows from its entries
- `attachment`: a file of an entry, encrypted while it arrives
- `content`: the encrypted part of an entry: a message, step, proposal, answer or closing
- `entry`: encrypt, sign, verify and decrypt one entry
- `envelope`: the signed header of an entry
- `errors`: the exceptions
- `heads`: the names of entries that an envelope lists
- `identifiers`: ids and digests, and the words that people read instead of ids and digests
- `keyring`: the desk's secret keys
- `ledger`: anonymous counts that remain of deleted mailboxes
- `letterhead`: the desk's signed public statement
- `mailbox_keys`: the keys of a mailbox, derived from its root key
- `sealed_record`: the format of the encrypted notes that the desk stores for itself
- `session`: the source's session, and form tokens
- `strand`: the signing keys of a mailbox's writers
- `trusted_state`: newest entries and serials that a workstation remembers, to detect a roll-back
"""
