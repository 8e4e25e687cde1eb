"""The keys of one mailbox, all derived from its root key."""

import hashlib
from dataclasses import dataclass, field

from nacl.signing import SigningKey

from crypto.age import PQIdentity
from crypto.errors import ForgedError
from crypto.framing import frame
from crypto.kdf import hkdf
from crypto.passphrase import RootKey
from protocol.identifiers import ADDRESS_BYTES, Address


@dataclass(frozen=True, slots=True)
class MailboxKeys:
    """A mailbox as its source holds it. Lives inside one request, never in a cache.

    `address` is 20 bytes, `recipient` a post-quantum age recipient of 1,216, `verify_key` Ed25519, 32 bytes.
    """

    root: RootKey = field(repr=False)
    address: Address
    recipient: bytes = field(repr=False)
    verify_key: bytes = field(repr=False)
    identity: PQIdentity = field(repr=False)
    signing_key: SigningKey = field(repr=False)

    def sign(self, message: bytes) -> bytes:
        """Return the Ed25519 signature, 64 bytes, of the mailbox's source."""
        return self.signing_key.sign(message).signature


def derive_mailbox_keys(root: RootKey) -> MailboxKeys:
    """Derive a mailbox's keys from its root key, each by HKDF-SHA256 under a label of its own."""
    identity = PQIdentity(hkdf(root, info=b"steunpunt/v1/identity"))
    signing_key = SigningKey(hkdf(root, info=b"steunpunt/v1/signing"))
    recipient = identity.recipient.to_bytes()
    verify_key = bytes(signing_key.verify_key)
    return MailboxKeys(
        root=root,
        address=_address(recipient, verify_key),
        recipient=recipient,
        verify_key=verify_key,
        identity=identity,
        signing_key=signing_key,
    )


def check_mailbox_keys(address: Address, recipient: bytes, verify_key: bytes) -> None:
    """Check that these are the keys of that mailbox, before anything is sealed to them or verified by them.

    The address is a digest of both keys. Whoever can write to the store may swap a key, but then the address
    that the entries are signed for, and the label that people know it by, is another.

    Raises:
        ForgedError: another key stands where the mailbox's own was.
    """
    if address != _address(recipient, verify_key):
        raise ForgedError


def _address(recipient: bytes, verify_key: bytes) -> Address:
    framed = frame(b"steunpunt/v1/address", recipient, verify_key)
    return Address(hashlib.blake2b(framed, digest_size=ADDRESS_BYTES).digest())
