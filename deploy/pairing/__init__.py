"""Pairing of a server with its workstations: each machine stores the public keys of the other.

Imports `deploy.onion`, `deploy.settings`, modules at the root of `deploy`, and `journalist_app`, `web`,
`store`, `protocol` and `crypto`.

- `server`: set up a server, print its card, admit and remove workstations
- `server_key`: the server's own key on its disk
- `workstation`: read the server's card, write a pairing file, set up a further workstation
"""
