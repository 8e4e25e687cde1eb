"""Use cases about closed, ended and deleted mailboxes. May import `services.mailbox` and `services.records`.

- `close_mailbox`: closes a mailbox with a last message, or as spam
- `deletion_upkeep`: background work on tallies, abandoned mailboxes and casefiles of deleted ones
- `ended_mailboxes`: counts mailboxes that were ended or deleted, and drops their traces
"""
