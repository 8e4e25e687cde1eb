"""Use cases of closed, ended and deleted mailboxes. May import `services.mailbox` and `services.records`.

- `close_mailbox`: closing with a last message, or as spam
- `deletion_upkeep`: background work that keeps deletion orders right
- `ended_mailboxes`: mailboxes that are gone: counting them, and forgetting them
"""
