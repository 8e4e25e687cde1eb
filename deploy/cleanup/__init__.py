"""Clean-up of a store: destroy deleted rows, carry out deletion orders, rewrite the store each night.

May import `deploy.settings`, `deploy.pinned_letterhead` and the other modules at the root of `deploy`.

- `replica_cleanup`: the sweeper of a workstation's replica
- `retention`: mailboxes to delete: by the desk's order, or because they were never used
- `server_cleanup`: the sweeper of a server's store, and the loop of both sweepers
"""
