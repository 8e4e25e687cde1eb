"""Pages of the adviser's site, one Flask blueprint per module. Views parse a form and call one service.

Imports `journalist_app.services`, `journalist_app.services.closing`, `journalist_app.services.desk_keys`,
`journalist_app.services.whole_desk`, `journalist_app.services.mailbox`, `journalist_app.services.passing_on`,
`journalist_app.services.records`, `journalist_app.requests`, `journalist_app.conversion`,
`journalist_app.desk`, `journalist_app.inbox`, `journalist_app.recovery_sheet`, `journalist_app.search`,
modules at the root of `journalist_app`, and `sync`, `report`, `web`, `stored_mailbox`, `store`, `protocol`
and `crypto`.

- `calendar_pages`: changes and publishes the desk's calendar and response times
- `casefile_pages`: casefile of a mailbox; fills the answer form from a template or draft
- `closing_pages`: closes a mailbox
- `evidence_pages`: evidence of proposals that were passed on
- `inbox_pages`: filtered list of mailboxes
- `looking/`: pages that show files without opening them
- `own_desk/`: facts about this desk, and the keys that open its keyring
- `proposal_pages`: writes, previews and sends a proposal, and passes it on
- `reply_template_pages`: writes, changes and deletes reply templates
- `report_pages`: previews, freezes and publishes the yearly report
- `search_pages`: full-text search
- `spam_pages`: closes many mailboxes as spam in one step
- `sync_pages`: status of syncing; carries pouches as files
- `thread_pages`: thread of a mailbox, answer form, downloads
- `unlock_pages`: unlocks and locks the desk; chooses the language
- `unsent_pages`: forms that were submitted while the app was locked
"""
