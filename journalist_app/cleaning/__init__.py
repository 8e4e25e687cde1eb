"""Cleaned copies of files, which are offered only after a second program compared them with the originals.

Imports `journalist_app.conversion`, `journalist_app.files`, and modules at the root of `journalist_app`. This
folder contains no Flask, but Flask-Babel for sentences about copies.

- `cleaners`: makes a cleaned copy of a file in the sandbox
- `copy_sentences`: sentences about copies, in the adviser's language
- `picture_pdf`: PDF file of plain pictures, without metadata
- `safe_copies`: decides which copy of a file is offered, and why no other
- `same_content`: comparison of what a file and its copy show
- `shown_content`: what a file shows, read by a second program in the sandbox
- `unseen_parts`: texts that no one sees, and hidden parts of older office files, found by LibreOffice
"""
