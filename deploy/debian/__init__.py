"""Debian packages: how they are built, and their systemd units, AppArmor profiles and settings of Tor.

The packages do not have this folder. Imports nothing of the program.

- `bill_of_materials`: list of everything in a package, and of the Debian packages that it needs
"""
