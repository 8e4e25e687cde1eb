"""Pure cryptography of the mailbox: bytes in, bytes out. Start at docs/protocol.md."""
