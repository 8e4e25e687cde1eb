"""Measurements: each module measures one part of the mailbox and returns the lines of the results.

- `backup_measures`: backups of the store
- `full_store_measures`: both interfaces with a full store
- `report_measures`: the yearly report; `report_once` is the process that makes one report
- `search_measures`: the adviser's search and inbox
- `source_measures`: the source's pages and log-ins
- `sync_measures`: sync between two machines, also over an onion service
- `upload_measures`: uploads of large files
"""
