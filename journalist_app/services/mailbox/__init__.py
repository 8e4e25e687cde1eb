"""Use cases about one mailbox.

Imports `journalist_app.services.records`, `journalist_app.desk`, `journalist_app.conversion`,
`journalist_app.files`, modules at the root of `journalist_app`, and `web`, `stored_mailbox`, `store`,
`protocol` and `crypto`.

- `answering`: sends an answer: a text with its files, a step, or both
- `count_for_report`: saves facts for the yearly report in the casefile
- `desk_read_receipts`: tells the source what an adviser has read
- `file_downloads`: opens attachments for download, decrypted on the way; compares them between mailboxes
- `file_looks`: converts a file to pictures, text or sound, so that the adviser need not open the file
- `pending_files`: stores encrypted files of a future entry
- `read_thread`: verifies and decrypts the whole thread for a page
- `send_entries`: appends entries of the desk, with retries
- `steps`: checks and builds the steps that advisers write
"""
