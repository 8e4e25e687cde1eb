"""Sync between a server and its workstations, as commands and timers start it.

Imports `deploy.pairing`, `deploy.settings`, modules at the root of `deploy`, and `journalist_app`, `sync`,
`web`, `store`, `protocol` and `crypto`. The protocol of a sync is in `sync`.

- `manual_exchange`: pouches (sync bundles) as files, on either machine
- `pending_at_server`: background thread that applies pouch files that came before an earlier one
- `server_endpoint`: a server's end of a sync: its store and its key
- `sync_refusals`: table of sentences about refusals
- `at_workstation`: sync, retire and rebuild, on a workstation
"""
