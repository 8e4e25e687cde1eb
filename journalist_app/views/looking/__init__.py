"""Pages that show files without opening them.

Imports `journalist_app.services.mailbox`, `journalist_app.requests`, `journalist_app.conversion`,
`journalist_app.desk`, modules at the root of `journalist_app`, and `web`.

- `look_pages`: pages of a converted file; question before the original is saved
"""
