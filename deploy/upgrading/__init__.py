"""Upgrade of this machine to the program's version: its settings file and its store.

Imports `deploy.backup`, `deploy.checking`, `deploy.settings`, modules at the root of `deploy`, `source_app`
and `journalist_app` (their settings), and `store`.

- `new_settings`: settings file with the keys that this version needs
- `upgrade_machine`: the steps of an upgrade, or of a dry run
"""
