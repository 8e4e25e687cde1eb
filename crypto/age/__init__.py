"""The age v1 file format (https://c2sp.org/age): encrypt and decrypt, whole or as a stream.

Imports only modules at the root of `crypto`. Other packages import the names below from `crypto.age`.

- `header`: the text before the payload, with stanzas and a MAC.
- `passphrase_slot`: label of a passphrase slot, with the salt and cost of Argon2id.
- `reader`: decrypt a file.
- `recipients`: recipient and identity types, post-quantum hybrid and X25519.
- `recovery_key`: an identity on paper, as Bech32 or as words.
- `stream`: the payload in chunks of 64 KiB.
- `writer`: encrypt a file.
"""

from crypto.age.header import HEADER_BYTES_MAX, AgeHeader, split_file
from crypto.age.reader import AgeReader, decrypt, split_stream, unwrap
from crypto.age.recipients import (
    PQ_RECIPIENT_BYTES,
    PQ_TYPE,
    AgeIdentity,
    AgeRecipient,
    PQIdentity,
    PQRecipient,
    X25519Identity,
    X25519Recipient,
)
from crypto.age.stream import CHUNK_BYTES
from crypto.age.writer import AgeFile, AgeWriter, encrypt

__all__ = [
    "CHUNK_BYTES",
    "HEADER_BYTES_MAX",
    "PQ_RECIPIENT_BYTES",
    "PQ_TYPE",
    "AgeFile",
    "AgeHeader",
    "AgeIdentity",
    "AgeReader",
    "AgeRecipient",
    "AgeWriter",
    "PQIdentity",
    "PQRecipient",
    "X25519Identity",
    "X25519Recipient",
    "decrypt",
    "encrypt",
    "split_file",
    "split_stream",
    "unwrap",
]
