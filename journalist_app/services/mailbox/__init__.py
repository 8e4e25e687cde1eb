"""Use cases about one mailbox: read, answer, propose, pass on, close."""
