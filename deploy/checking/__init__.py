"""Checks of a machine: unsafe states, which programs look for when they start.

Imports `deploy.settings`, modules at the root of `deploy`, and `crypto`, `protocol` and `store`. The modules
look at settings, files and the store. They load no code of the two apps.

- `check_results`: result of one check: its level, what was found, and what to do
- `clock`: comparison of the clock with the days in the store
- `machine_files`: settings as they are written, and the files and folders that they name
- `unsafe_states`: the table of unsafe states, and the warning or refusal at the start
"""
