"""Pouches (sync bundles), and the files that introduce a server and a workstation to each other.

Imports `crypto`, and modules at the root of `protocol`.

- `pairing_file`: the card file of a server, and the pairing file of a workstation
- `pouch_file`: the encrypted, signed file format of a pouch
- `pouch_items`: the items in a pouch, one class for each kind
"""
