"""Recipients and identities (public and secret keys) of age files: the post-quantum hybrid, and X25519.

The mailbox encrypts only to the post-quantum hybrid of ML-KEM-768 and X25519. X25519 alone is here so that
Debian's `age` is a second implementation in our tests.

Source: C2SP age, "Native recipient types".
"""

import functools
import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Final, Protocol, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from crypto.age.header import FILE_KEY_BYTES, Stanza
from crypto.base64_text import from_base64, to_base64
from crypto.bech32 import from_bech32, to_bech32
from crypto.errors import MalformedError
from crypto.kdf import hkdf

SEED_BYTES = 32
_X25519_BYTES = 32
_MLKEM_SEED_BYTES = 64
_MLKEM_PUBLIC_BYTES = 1184  # FIPS 203, table 3
PQ_RECIPIENT_BYTES = _MLKEM_PUBLIC_BYTES + _X25519_BYTES
_PQ_ENC_BYTES = 1088 + _X25519_BYTES  # an ML-KEM-768 ciphertext and an X25519 share
_BODY_BYTES = FILE_KEY_BYTES + 16  # the file key and a Poly1305 tag


class AgeRecipient(Protocol):
    """Interface of a public key to which an age file can be encrypted."""

    post_quantum: ClassVar[bool]

    def wrap(self, file_key: bytes) -> Stanza:
        """Encrypt the file key to this recipient, and return the stanza for the header."""
        ...


class AgeIdentity(Protocol):
    """Interface of a secret key that decrypts age files.

    `is_last` is True if the last stanza of a file's header is usually for this key, and is tried first.
    """

    is_last: bool

    def unwrap(self, stanza: Stanza) -> bytes | None:
        """Decrypt the file key in a stanza. Return None if the stanza was made for another secret key.

        Raises:
            MalformedError: the stanza has this identity's type, but is malformed.
        """
        ...


PQ_TYPE: Final = "mlkem768x25519"
_PQ_INFO = b"age-encryption.org/mlkem768x25519"
_PQ_RECIPIENT_PREFIX = "age1pq"
_PQ_IDENTITY_PREFIX = "AGE-SECRET-KEY-PQ-"


def _pq_suite() -> hpke.Suite:
    return hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305)


@dataclass(frozen=True, slots=True)
class PQRecipient:
    """Public key of a post-quantum hybrid identity (ML-KEM-768 and X25519), 1,216 bytes."""

    post_quantum: ClassVar[bool] = True
    _raw: bytes
    _key: hpke.MLKEM768X25519PublicKey = field(repr=False, compare=False)

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Parse an ML-KEM-768 encapsulation key (1,184 bytes) followed by an X25519 public key (32 bytes).

        Raises:
            MalformedError: the bytes have another length, or are not a valid key.
        """
        if len(raw) != PQ_RECIPIENT_BYTES:
            raise MalformedError
        try:
            point = X25519PublicKey.from_public_bytes(raw[_MLKEM_PUBLIC_BYTES:])
            X25519PrivateKey.from_private_bytes(bytes(SEED_BYTES)).exchange(point)  # refuses a low order
            mlkem = MLKEM768PublicKey.from_public_bytes(raw[:_MLKEM_PUBLIC_BYTES])
            key = hpke.MLKEM768X25519PublicKey(mlkem, point)
        except ValueError as why:
            raise MalformedError from why
        return cls(bytes(raw), key)

    def to_bytes(self) -> bytes:
        """Return the public key as 1,216 bytes, which `from_bytes` reads."""
        return self._raw

    @classmethod
    @functools.lru_cache(maxsize=16)
    def from_text(cls, text: str) -> Self:
        """Parse a post-quantum recipient (public key) in the text form "age1pq1…".

        Raises:
            MalformedError: the text is not a post-quantum recipient in canonical Bech32.
        """
        return cls.from_bytes(from_bech32(_PQ_RECIPIENT_PREFIX, text))

    def __str__(self) -> str:
        return to_bech32(_PQ_RECIPIENT_PREFIX, self._raw)

    def wrap(self, file_key: bytes) -> Stanza:
        """Encrypt the file key to this recipient, and return the stanza for the header."""
        sealed = _pq_suite().encrypt(file_key, self._key, _PQ_INFO)
        return Stanza((PQ_TYPE, to_base64(sealed[:_PQ_ENC_BYTES])), sealed[_PQ_ENC_BYTES:])


class PQIdentity:
    """Post-quantum hybrid identity: a seed of 32 secret bytes, and the keys derived from the seed.

    A key is derived when it is needed: the keys of ML-KEM take longer than all other keys of a mailbox.
    """

    def __init__(self, seed: bytes, *, is_last: bool = False, recipient: bytes = b"") -> None:
        """Keep a seed of 32 bytes, which comes from a CSPRNG or from HKDF.

        `AgeIdentity` explains `is_last`. `recipient` is the public key, if it was derived before.

        Raises:
            MalformedError: the seed has another length.
        """
        if len(seed) != SEED_BYTES:
            raise MalformedError
        self._seed, self.is_last, self._known_recipient = bytes(seed), is_last, recipient

    @cached_property
    def recipient(self) -> PQRecipient:
        """Return the public key."""
        if self._known_recipient:
            return PQRecipient.from_bytes(self._known_recipient)
        mlkem, x25519 = self._private_keys
        public = mlkem.public_key(), x25519.public_key()
        raw = b"".join(key.public_bytes_raw() for key in public)
        return PQRecipient(raw, hpke.MLKEM768X25519PublicKey(*public))

    @cached_property
    def _private_keys(self) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
        expanded = hashlib.shake_256(self._seed).digest(_MLKEM_SEED_BYTES + _X25519_BYTES)
        mlkem = MLKEM768PrivateKey.from_seed_bytes(expanded[:_MLKEM_SEED_BYTES])
        return mlkem, X25519PrivateKey.from_private_bytes(expanded[_MLKEM_SEED_BYTES:])

    def __repr__(self) -> str:
        return "PQIdentity()"

    def to_bytes(self) -> bytes:
        """Return the secret seed (32 bytes)."""
        return self._seed

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Parse a post-quantum identity (secret key) in the text form "AGE-SECRET-KEY-PQ-1…".

        Raises:
            MalformedError: the text is not a post-quantum identity in canonical Bech32.
        """
        return cls(from_bech32(_PQ_IDENTITY_PREFIX, text))

    def to_text(self) -> str:
        """Return the secret seed in the text form "AGE-SECRET-KEY-PQ-1…"."""
        return to_bech32(_PQ_IDENTITY_PREFIX, self._seed)

    def unwrap(self, stanza: Stanza) -> bytes | None:
        """Decrypt the file key in a stanza. Return None if the stanza was made for another secret key.

        Raises:
            MalformedError: the stanza has this identity's type, but is malformed.
        """
        enc = _share_of(stanza, PQ_TYPE, _PQ_ENC_BYTES)
        if enc is None:
            return None
        try:
            key = hpke.MLKEM768X25519PrivateKey(*self._private_keys)
            return _pq_suite().decrypt(enc + stanza.body, key, _PQ_INFO)
        except InvalidTag:
            return None


_X25519_TYPE = "X25519"
_X25519_INFO = b"age-encryption.org/v1/X25519"
_X25519_RECIPIENT_PREFIX = "age"
_X25519_IDENTITY_PREFIX = "AGE-SECRET-KEY-"
_WRAP_NONCE = bytes(12)  # all zeroes is safe, because every stanza has a new wrap key


@dataclass(frozen=True, slots=True)
class X25519Recipient:
    """Public key of an X25519 identity, 32 bytes."""

    post_quantum: ClassVar[bool] = False
    _raw: bytes

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Parse an X25519 public key of 32 bytes.

        Raises:
            MalformedError: the bytes have another length.
        """
        if len(raw) != _X25519_BYTES:
            raise MalformedError
        return cls(bytes(raw))

    def to_bytes(self) -> bytes:
        """Return the public key as 32 bytes, which `from_bytes` reads."""
        return self._raw

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Parse an X25519 recipient (public key) in the text form "age1…".

        Raises:
            MalformedError: the text is not an X25519 recipient in canonical Bech32.
        """
        return cls.from_bytes(from_bech32(_X25519_RECIPIENT_PREFIX, text))

    def __str__(self) -> str:
        return to_bech32(_X25519_RECIPIENT_PREFIX, self._raw)

    def wrap(self, file_key: bytes) -> Stanza:
        """Encrypt the file key to this recipient, and return the stanza for the header.

        Raises:
            MalformedError: the recipient is a point of low order. With such a point, everyone knows the
                shared secret.
        """
        ephemeral = X25519PrivateKey.generate()
        share = ephemeral.public_key().public_bytes_raw()
        key = _wrap_key(ephemeral, self._raw, share + self._raw)
        return Stanza(
            (_X25519_TYPE, to_base64(share)), ChaCha20Poly1305(key).encrypt(_WRAP_NONCE, file_key, None)
        )


class X25519Identity:
    """X25519 identity: a secret scalar of 32 bytes."""

    __slots__ = ("_key", "is_last", "recipient")
    recipient: Final[X25519Recipient]

    def __init__(self, seed: bytes) -> None:
        """Make an identity from a secret scalar of 32 bytes, little endian.

        Raises:
            MalformedError: the scalar has another length.
        """
        if len(seed) != SEED_BYTES:
            raise MalformedError
        self.is_last = False
        self._key = X25519PrivateKey.from_private_bytes(seed)
        self.recipient = X25519Recipient.from_bytes(self._key.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return "X25519Identity()"

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Parse an X25519 identity (secret key) in the text form "AGE-SECRET-KEY-1…".

        Raises:
            MalformedError: the text is not an X25519 identity in canonical Bech32.
        """
        return cls(from_bech32(_X25519_IDENTITY_PREFIX, text))

    def to_text(self) -> str:
        """Return the secret scalar in the text form "AGE-SECRET-KEY-1…"."""
        return to_bech32(_X25519_IDENTITY_PREFIX, self._key.private_bytes_raw())

    def unwrap(self, stanza: Stanza) -> bytes | None:
        """Decrypt the file key in a stanza. Return None if the stanza was made for another secret key.

        Raises:
            MalformedError: the stanza has this identity's type, but is malformed.
        """
        share = _share_of(stanza, _X25519_TYPE, _X25519_BYTES)
        if share is None:
            return None
        key = _wrap_key(self._key, share, share + self.recipient.to_bytes())
        try:
            return ChaCha20Poly1305(key).decrypt(_WRAP_NONCE, stanza.body, None)
        except InvalidTag:
            return None


def _share_of(stanza: Stanza, kind: str, share_bytes: int) -> bytes | None:
    """Return the key share in a stanza of the type `kind`, or None for a stanza of another type.

    The share is the sender's one-time public value.

    Raises:
        MalformedError: the stanza has this type, but is malformed.
    """
    if stanza.arguments[0] != kind:
        return None
    match stanza.arguments[1:]:
        case (text,):
            share = from_base64(text)
        case _:
            raise MalformedError
    # A longer body would allow partitioning oracle attacks.
    if len(share) != share_bytes or len(stanza.body) != _BODY_BYTES:
        raise MalformedError
    return share


def _wrap_key(private: X25519PrivateKey, public: bytes, salt: bytes) -> bytes:
    try:
        shared = private.exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError as why:  # the shared secret is all zeroes
        raise MalformedError from why
    return hkdf(shared, salt=salt, info=_X25519_INFO)
