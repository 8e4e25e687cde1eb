"""The protocol of docs/protocol.md, one module for each section."""
