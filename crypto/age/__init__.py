"""The age v1 file format (https://c2sp.org/age): encrypt and decrypt, whole or as a stream.

Imports from `crypto` only. Other packages import the names below from `crypto.age`.

- `armor`: age files as text (PEM-like armour).
- `header`: the textual header with its stanzas and MAC.
- `reader`: decrypt a file.
- `recipients`: recipient and identity types, post-quantum hybrid and X25519.
- `stream`: the payload in chunks of 64 KiB.
- `writer`: encrypt a file.
"""

from crypto.age.header import HEADER_BYTES_MAX, Header, split
from crypto.age.reader import Reader, open_sealed, split_stream, unwrap
from crypto.age.recipients import (
    PQ_RECIPIENT_BYTES,
    PQ_TYPE,
    Identity,
    PQIdentity,
    PQRecipient,
    Recipient,
    X25519Identity,
    X25519Recipient,
)
from crypto.age.stream import CHUNK_BYTES, payload_bytes
from crypto.age.writer import Sealed, Writer, seal

__all__ = [
    "CHUNK_BYTES",
    "HEADER_BYTES_MAX",
    "PQ_RECIPIENT_BYTES",
    "PQ_TYPE",
    "Header",
    "Identity",
    "PQIdentity",
    "PQRecipient",
    "Reader",
    "Recipient",
    "Sealed",
    "Writer",
    "X25519Identity",
    "X25519Recipient",
    "open_sealed",
    "payload_bytes",
    "seal",
    "split",
    "split_stream",
    "unwrap",
]
