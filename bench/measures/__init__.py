"""Measurements: each module measures one part of the mailbox and returns the lines of the results.

- `backup_measures`: backups of the store
- `database_measures`: PostgreSQL beside SQLite
- `file_measures`: ten ordinary files: examined, cleaned and shown
- `full_store_measures`: both interfaces with a full store
- `report_measures`: the yearly report
- `report_once`: the process that makes one yearly report
- `search_measures`: the adviser's search and inbox
- `source_measures`: the source's pages and log-ins
- `sync_measures`: sync between two machines, also over an onion service
- `upload_measures`: uploads of large files
"""
