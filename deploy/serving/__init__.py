"""Processes that serve the two interfaces and the sync endpoint.

Imports `deploy.pairing`, `deploy.settings`, `deploy.syncing`, modules at the root of `deploy`, and
`source_app`, `journalist_app`, `sync`, `web`, `store` and `protocol`.

- `gc_tuning`: thresholds of Python's garbage collector
- `gunicorn_server`: one app under gunicorn, and its settings
- `gunicorn_worker`: worker that logs nothing of a request and gives up on slow clients
- `search_processes`: processes that read the store for the adviser's search
- `serve_adviser`: start the adviser's interface
- `serve_source`: start the source's interface
- `serve_sync`: start the sync endpoint, or answer one pouch over SSH
- `slow_clients`: socket that disconnects stalled clients
- `supervisor`: run several parts side by side, for `steunpunt run`
- `topology`: parts to run for a settings file: one machine, a server, or a workstation
"""
