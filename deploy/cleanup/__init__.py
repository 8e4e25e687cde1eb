"""Clean-up of a store: destroy deleted rows, delete closed mailboxes, rewrite the store each night.

May import `deploy.settings`, `deploy.pinned_letterhead` and the other modules at the root of `deploy`.

- `replica_cleanup`: the clean-up of a workstation's replica
- `retention`: mailboxes to delete: those that the desk closed, and those that were never used
- `server_cleanup`: the clean-up of a server's store, and the loop of both clean-ups
"""
