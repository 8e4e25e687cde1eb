"""Use cases about records: encrypted notes that the desk stores for itself.

Imports `journalist_app.desk`, modules at the root of `journalist_app`, and `store`, `protocol`, `crypto`
and `web`.

- `casefiles`: the desk's notes about a mailbox
- `consent_evidence`: keeps proposals and the source's answers as evidence
- `desk_records`: reads, verifies and writes records of every kind
- `drafts`: answers that are not sent yet
- `reply_templates`: texts that advisers often send
- `unsent_forms`: forms that were submitted while the app was locked
"""
