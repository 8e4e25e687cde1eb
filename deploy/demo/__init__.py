"""Trial desk with invented mailboxes in every state, to train advisers and to try upgrades.

Imports `deploy.settings`, modules at the root of `deploy`, and `source_app`, `journalist_app`,
`stored_mailbox`, `web`, `store`, `protocol` and `crypto`.

- `adviser_acts`: what the invented adviser does in a mailbox
- `make_demo`: make the desk, and the list of its passphrases
- `source_acts`: what an invented source does in a mailbox
- `stories`: the stories of `stories.toml`, one for each mailbox
"""
