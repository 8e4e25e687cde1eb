"""Pairing of a server with its workstations: each machine stores the public keys of the other.

Imports `deploy.onion`, `deploy.settings`, modules at the root of `deploy`, and `source_app`,
`journalist_app`, `sync`, `web`, `store`, `protocol` and `crypto`.

- `desk_fingerprint`: form of a typed fingerprint
- `server`: set up a server, print its card, admit and remove workstations
- `server_key`: the server's own key on its disk
- `workstation`: read the server's card, write a pairing file, set up a further workstation
"""
