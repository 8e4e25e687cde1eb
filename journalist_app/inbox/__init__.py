"""Facts about one mailbox for the inbox and the yearly report. Pure functions: no store, no Flask.

Imports `protocol`, and `errors` of this app.

- `deadlines`: deadlines of a mailbox, and the arithmetic of days and months
- `mailbox_summary`: the values by which the inbox sorts and filters
- `option_lists`: the desk's lists of themes, routes, regions and outcomes
- `response_facts`: when the desk answered first, and whether the source came back
"""
