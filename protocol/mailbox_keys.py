"""Keys of one mailbox, all derived from its root key (docs/protocol.md, "Mailbox keys")."""

import hashlib
from dataclasses import dataclass, field

from nacl.signing import SigningKey

from crypto.age import PQIdentity, PQRecipient
from crypto.errors import CryptoError, ForgedError
from crypto.framing import frame
from crypto.kdf import hkdf
from crypto.passphrase import RootKey
from protocol.identifiers import ADDRESS_BYTES, Address


@dataclass(frozen=True, slots=True)
class MailboxKeys:
    """Secret and public keys of a mailbox, in memory during one request of its source. Never cache them.

    `address` has 20 bytes, `recipient` (a post-quantum age recipient) 1,216 bytes, `verify_key` (Ed25519) 32
    bytes.
    """

    root: RootKey = field(repr=False)
    address: Address
    recipient: bytes = field(repr=False)
    verify_key: bytes = field(repr=False)
    identity: PQIdentity = field(repr=False)
    signing_key: SigningKey = field(repr=False)

    def sign(self, message: bytes) -> bytes:
        """Sign a message as the source of this mailbox. Return an Ed25519 signature of 64 bytes."""
        return self.signing_key.sign(message).signature


def derive_mailbox_keys(root: RootKey, recipient: bytes = b"") -> MailboxKeys:
    """Derive all keys of a mailbox from its root key, each by HKDF-SHA256 with a different label.

    `recipient` is the mailbox's age recipient, if it was derived before: deriving it takes long.
    """
    identity = PQIdentity(hkdf(root, info=b"steunpunt/v1/identity"), is_last=True, recipient=recipient)
    signing_key = SigningKey(hkdf(root, info=b"steunpunt/v1/signing"))
    recipient = recipient or identity.recipient.to_bytes()
    verify_key = bytes(signing_key.verify_key)
    return MailboxKeys(root, _address(recipient, verify_key), recipient, verify_key, identity, signing_key)


def check_mailbox_keys(address: Address, recipient: bytes, verify_key: bytes) -> None:
    """Check that the age recipient and the verify key belong to the mailbox of this address.

    Call this function before you encrypt to the recipient or verify signatures with the key.

    Raises:
        ForgedError: one of the keys does not belong to this address.
        MalformedError: the recipient is not a key to which anyone can encrypt.
    """
    if address != _address(recipient, verify_key):
        raise ForgedError
    PQRecipient.from_bytes(recipient)


def checked_verify_key(address: Address, recipient: bytes, verify_key: bytes) -> bytes | None:
    """Return the verify key of a stored mailbox, or None if the stored keys do not fit the address."""
    try:
        check_mailbox_keys(address, recipient, verify_key)
    except CryptoError:
        return None
    return verify_key


def _address(recipient: bytes, verify_key: bytes) -> Address:
    framed = frame(b"steunpunt/v1/address", recipient, verify_key)
    return Address(hashlib.blake2b(framed, digest_size=ADDRESS_BYTES).digest())
