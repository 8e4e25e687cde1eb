"""Files that arrive or are passed on: metadata, hidden parts, the source's own encryption, export packages.

Imports modules at the root of `journalist_app`, and `gpg`, `programs`, `protocol`, `crypto` and `web`. This
folder contains no Flask, but Flask-Babel for sentences about metadata.

- `export_package`: zip file for a recipient, encrypted and signed with OpenPGP
- `file_examiner`: what an examiner of files returns: findings, and a copy that may be offered
- `file_types`: types of files, guessed from their first bytes
- `gpg_export`: gpg, the OpenPGP keys and the examiner of files with which the desk passes on
- `hidden_parts`: program that runs in the sandbox; hidden parts of office files, such as comments
- `mail_parts`: texts and files of an e-mail message that the source encrypted as a whole
- `metadata`: inspection of files with mat2 and exiftool in the sandbox
- `metadata_sentences`: sentences about findings, in the reader's language
- `pdf_parts`: program that runs in the sandbox; hidden parts of a PDF, such as texts that no one sees
- `pinned_recipients`: recipients in the settings, pinned by fingerprint
- `presealed`: decryption of texts and files that the source encrypted before sending
- `sealed_blocks`: encrypted blocks in texts and files, in every wrapping that people produce
- `sealing_words`: six words by which a text of the source names its mailbox
"""
