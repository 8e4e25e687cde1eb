"""Pairing of a server with its workstations: each machine stores the public keys of the other.

May import `deploy.onion`, `deploy.settings` and the modules at the root of `deploy`; not `deploy.serving` or
`deploy.syncing`, which import this package.

- `server`: set up a server, print its card, admit and remove workstations
- `server_key`: the server's own key on its disk
- `workstation`: read the server's card, write a pairing file, set up a further workstation
"""
