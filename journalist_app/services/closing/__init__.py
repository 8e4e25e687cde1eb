"""Use cases about closed, ended and deleted mailboxes.

Imports `journalist_app.services.mailbox`, `journalist_app.services.records`, `journalist_app.search`,
`journalist_app.inbox`, `journalist_app.desk`, modules at the root of `journalist_app`, and `web`,
`stored_mailbox`, `store`, `protocol` and `crypto`.

- `close_mailbox`: closes a mailbox with a last message, or as spam
- `close_spam`: closes many mailboxes as spam in one step, after a look at each
- `deletion_upkeep`: background work on tallies, abandoned mailboxes and casefiles of deleted ones
- `ended_mailboxes`: counts mailboxes that were ended or deleted, and drops their traces
"""
