"""Full-text search over decrypted entries and notes, in memory only, in separate search processes.

Imports `journalist_app.inbox`, `journalist_app.files`, modules at the root of `journalist_app`, and
`stored_mailbox`, `store`, `protocol`, `crypto` and `web`. This folder contains no Flask.

- `search_index`: starts the search processes and sends them queries; keeps the mailbox summaries
- `search_worker`: runs in a search process; decrypts a share of the store, and finds words in the texts
- `tally_reader`: runs in a search process; decrypts tallies of the ledger for the yearly report
- `text_index`: keeps texts in the form in which search compares them, finds words in them, and cuts snippets
"""
