"""Use cases of the desk's own encrypted records. May import `desk`, `protocol` and `store`.

- `casefiles`: the desk's notes about a mailbox
- `consent_evidence`: evidence of what was passed on
- `desk_records`: reading, verifying and writing any record
- `drafts`: answers that are not sent yet
- `reply_templates`: the desk's own sentences
- `unsent_forms`: forms that were sent to a locked app
"""
