"""Pouches (sync bundles), and the files with which a server and a workstation are introduced.

Imports only from `crypto` and the rest of `protocol`.

- `pairing_file`: the card file of a server, and the pairing file of a workstation
- `pouch_file`: the encrypted, signed file format of a pouch
- `pouch_items`: the items in a pouch, one class for each kind
"""
