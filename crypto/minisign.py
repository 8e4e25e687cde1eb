"""Signatures in minisign's format, so that anyone can check our signatures with a tool that we did not write.

Source: https://jedisct1.github.io/minisign/, "Signature format" and "Public key format".
"""

import base64
import hashlib
import re
from dataclasses import dataclass, field
from typing import Self

from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from crypto.base64_text import decode_base64
from crypto.errors import ForgedError, MalformedError

_SEED_BYTES = 32
_KEY_ID_BYTES = 8
_SIGNATURE_BYTES = 64
_ALGORITHM_KEY = b"Ed"  # in every public key
_ALGORITHM_PREHASHED = b"ED"  # a signature over BLAKE2b-512; the older "Ed", over the bytes, is refused
_COMMENT = "untrusted comment: "
_TRUSTED = "trusted comment: "
_FILE = re.compile(
    rf"{_COMMENT}[^\r\n]*\n(?P<signature>[A-Za-z0-9+/=]+)\n"
    rf"{_TRUSTED}(?P<trusted>[^\r\n]*)\n(?P<over_all>[A-Za-z0-9+/=]+)\n"
)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A minisign public key. `str` returns the 56 characters "RW…" that are printed on posters."""

    key_id: bytes  # 8 bytes; not a secret, helps people find the right key
    verify_key: bytes  # Ed25519, 32 bytes

    def __str__(self) -> str:
        return base64.b64encode(_ALGORITHM_KEY + self.key_id + self.verify_key).decode("ascii")

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Parse the text form of a public key. Only the exact text that `str` returns is accepted.

        Raises:
            MalformedError: the text is not a minisign public key in canonical base64.
        """
        raw = _from_padded_base64(text)
        key_end = len(_ALGORITHM_KEY) + _KEY_ID_BYTES
        if len(raw) != key_end + _SEED_BYTES or not raw.startswith(_ALGORITHM_KEY):
            raise MalformedError
        return cls(raw[len(_ALGORITHM_KEY) : key_end], raw[key_end:])

    def verify(self, signed: bytes, signature: bytes) -> str:
        """Check that a minisign signature file signs these bytes, and return the file's trusted comment.

        Raises:
            ForgedError: a signature is wrong, or the file is not a minisign file.
        """
        try:
            found = _FILE.fullmatch(signature.decode("utf-8"))
        except UnicodeDecodeError as why:
            raise ForgedError from why
        if found is None:
            raise ForgedError
        try:
            head = _from_padded_base64(found["signature"])
            over_all = _from_padded_base64(found["over_all"])
        except MalformedError as why:
            raise ForgedError from why
        made = head.removeprefix(_ALGORITHM_PREHASHED + self.key_id)
        # If the prefix was not removed, the file has another algorithm or another key.
        if made == head or len(made) != _SIGNATURE_BYTES:
            raise ForgedError
        key = VerifyKey(self.verify_key)
        try:
            key.verify(_prehash(signed), made)
            # The second signature covers the first, so no one can move a comment to another file.
            key.verify(made + found["trusted"].encode("utf-8"), over_all)
        except (BadSignatureError, ValueError) as why:
            raise ForgedError from why
        return found["trusted"]


@dataclass(frozen=True, slots=True)
class SecretKey:
    """An Ed25519 seed that signs in minisign's format."""

    seed: bytes = field(repr=False)  # 32 bytes

    @property
    def public(self) -> PublicKey:
        """Return the public key of this secret key.

        The same seed always gives the same public key.
        """
        verify_key = bytes(SigningKey(self.seed).verify_key)
        key_id = hashlib.blake2b(b"steunpunt/v1/minisign" + verify_key, digest_size=_KEY_ID_BYTES).digest()
        return PublicKey(key_id, verify_key)

    def sign(self, signed: bytes, trusted_comment: str) -> bytes:
        """Sign bytes of any length, and return the minisign signature file.

        Raises:
            MalformedError: the trusted comment has more than one line.
        """
        if not re.fullmatch(r"[^\r\n]*", trusted_comment):
            raise MalformedError
        key = SigningKey(self.seed)
        made = key.sign(_prehash(signed)).signature
        over_all = key.sign(made + trusted_comment.encode("utf-8")).signature
        head = _ALGORITHM_PREHASHED + self.public.key_id + made
        lines = (
            f"{_COMMENT}signature by the desk",
            base64.b64encode(head).decode("ascii"),
            f"{_TRUSTED}{trusted_comment}",
            base64.b64encode(over_all).decode("ascii"),
        )
        return "".join(f"{line}\n" for line in lines).encode("utf-8")


def _prehash(signed: bytes) -> bytes:
    return hashlib.blake2b(signed).digest()


def _from_padded_base64(text: str) -> bytes:
    """Decode base64 with padding, and accept only its canonical spelling."""
    raw = decode_base64(text)
    if base64.b64encode(raw).decode("ascii") != text:
        raise MalformedError
    return raw
