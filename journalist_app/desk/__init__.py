"""The unlocked desk: what is in memory between unlocking and locking, and the verification of mailboxes.

Imports `files`, `search`, `inbox`, `config` and `errors` of this app, and the packages below it. Does not
import Flask, `services` or `views`.

- `auto_lock`: holds the open desk; locks it after the idle time
- `open_desk`: keys, trusted state, caches and progress of the background work
- `private_files`: files that only their owner may read, written atomically
- `verification`: checks every entry of a mailbox, then decrypts them
"""
