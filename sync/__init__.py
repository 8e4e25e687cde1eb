"""Sync between the server's store and the replicas of workstations, by pouches (encrypted, signed bundles).

This package builds, verifies, applies and carries pouches. No module of this package can decrypt a message,
because sync has no key of the desk. Imports `web`, `stored_mailbox`, `store`, `protocol` (without the modules
for the desk's secrets) and `crypto`.

- `endpoint`: one end of a sync: its store, its keys and its limits
- `build`: build pouches from the outbox of a peer
- `verify`: verify every item of a pouch before anything is applied
- `apply`: apply a verified pouch to the store
- `items`: the kinds of item in a pouch, one module for each kind
- `exchange`: exchange pouches over a connection until both ends have everything
- `pouch_stream`: several pouches in one stream of bytes
- `carriers`: connections from a workstation to its server: onion service, SSH, Unix socket
- `http_endpoint`: Flask app of the server that answers pouches
- `pending`: import pouches from files, and keep those that arrive too early
- `sync_lock`: cross-process lock, so that one process at a time applies or packs for a store
- `refusal_words`: words with which a server refuses a workstation
- `errors`: exceptions and their reasons
"""
