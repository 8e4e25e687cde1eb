"""Pages about the desk itself.

Imports `journalist_app.services.desk_keys`, `journalist_app.services.whole_desk`, `journalist_app.requests`,
`journalist_app.desk`, `journalist_app.recovery_sheet`, modules at the root of `journalist_app`, and `report`,
`web` and `store`.

- `about_desk_pages`: facts about this desk; replaces a damaged trusted state
- `desk_texts_pages`: publishes the desk's texts, in each language that sources read
- `keys_pages`: who can open the keyring, new passphrases and recovery sheets, and the keyring's backup
"""
