"""Clean-up of a store: destroy deleted rows, delete closed mailboxes, rewrite the store each night.

Imports `deploy.backup`, `deploy.settings`, modules at the root of `deploy`, and `source_app`,
`journalist_app` (their settings), `stored_mailbox`, `web`, `store`, `protocol` and `crypto`.

- `replica_cleanup`: the clean-up of a workstation's replica
- `retention`: mailboxes to delete: those that the desk closed, and those that were never used
- `server_cleanup`: the clean-up of a server's store, and the loop of both clean-ups
"""
