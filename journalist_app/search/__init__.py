"""Full-text search over decrypted entries and notes, in memory only, in processes of its own.

Imports `inbox`, `files` and `errors` of this app, and `protocol`, `store` and `crypto`; no Flask.

- `search_index`: starts the search processes and asks them; keeps the mailbox summaries
- `search_worker`: runs in a search process; decrypts a share of the store and finds words in it
- `tally_reader`: decrypts tallies of the ledger, in the same kind of process
- `text_index`: texts without accents and capitals, search in them, and snippets
"""
