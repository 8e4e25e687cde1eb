"""Use cases about proposals and passing on.

Imports `journalist_app.services.mailbox`, `journalist_app.services.records`, `journalist_app.desk`,
`journalist_app.cleaning`, `journalist_app.files`, modules at the root of `journalist_app`, and `web`,
`stored_mailbox`, `store`, `protocol` and `crypto`.

- `proposal_consent`: finds a proposal, and refuses to pass it on if the source did not agree
- `make_export`: makes the encrypted file for the recipient
- `pass_on`: begins to pass on, and records that the file was handed over
- `proposal_files`: inspects and encrypts the files of a proposal
- `proposing`: prepares and sends a proposal
- `usable_recipients`: finds a pinned recipient, and checks the recipient's key
"""
