"""Facts about one mailbox for the inbox and the yearly report. Pure functions: no store, no Flask.

Imports `journalist_app.files`, `protocol` and `web`.

- `deadlines`: the days before which the desk must act in a mailbox
- `likeness`: finds texts that are nearly the same
- `mailbox_summary`: the values by which the inbox sorts and filters mailboxes
"""
