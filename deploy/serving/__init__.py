"""Processes that serve the two interfaces and the sync endpoint.

Imports `deploy.checking`, `deploy.pairing`, `deploy.settings`, `deploy.syncing`, modules at the root of
`deploy`, and `source_app`, `journalist_app`, `sync`, `web`, `store` and `protocol`.

- `buffering_worker`: worker in which slow clients occupy no threads
- `database_wait`: start of a program while the database server is away
- `gc_tuning`: thresholds of Python's garbage collector
- `gunicorn_server`: one app under gunicorn, and its settings
- `gunicorn_worker`: the same worker, which also logs nothing of a request
- `search_processes`: processes that read the store for the adviser's search
- `serve_adviser`: start the adviser's interface
- `serve_source`: start the source's interface
- `serve_sync`: start the sync endpoint, or answer one pouch over SSH
- `slow_clients`: sockets of slow clients, and the places for those that occupy a thread
- `supervisor`: run several parts side by side, for `steunpunt run`
- `topology`: parts to run for a settings file: one machine, a server, or a workstation
- `try_again_page`: page that a reverse proxy shows while the site for sources does not run
- `wiped_memory`: memory that is overwritten as soon as it is freed
"""
