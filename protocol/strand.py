"""Strands: the entries of one writer in a mailbox, with the keys that sign and verify them.

See docs/protocol.md, "Entries".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final, Protocol

from nacl.exceptions import BadSignatureError, CryptoError
from nacl.signing import SigningKey, VerifyKey

from crypto.errors import ForgedError
from protocol.identifiers import SOURCE_STRAND, StrandId
from protocol.mailbox_keys import MailboxKeys


@dataclass(frozen=True, slots=True)
class StrandKey:
    """Public key (Ed25519, 32 bytes) that verifies the entries of one workstation.

    The key is valid from `since` to `until`, both included. `until` is None while the workstation is in use.
    """

    verify_key: bytes
    since: date
    until: date | None = None

    def counts_on(self, day: date) -> bool:
        """Return True if the workstation may sign entries that are dated on this day."""
        return self.since <= day and (self.until is None or day <= self.until)


SIGNATURE_BYTES: Final = 64


class EntryWriter(Protocol):
    """Interface of a writer who can sign entries: `SourceWriter` or `DeskWriter`."""

    @property
    def strand(self) -> StrandId:
        """Return the id of the writer's strand, in which the writer's entries are numbered."""

    def sign(self, message: bytes) -> bytes:
        """Sign a message. Return an Ed25519 signature of 64 bytes."""


@dataclass(frozen=True, slots=True)
class SourceWriter:
    """The source as the writer of entries, who signs with the keys of their mailbox."""

    keys: MailboxKeys

    @property
    def strand(self) -> StrandId:
        """Return b"", the id of the source's strand (list of entries). Only workstations have longer ids."""
        return SOURCE_STRAND

    def sign(self, message: bytes) -> bytes:
        """Sign a message as the source. Return an Ed25519 signature of 64 bytes."""
        return self.keys.sign(message)


@dataclass(frozen=True, slots=True)
class DeskWriter:
    """A workstation as the writer of entries, with the id of its strand (8 bytes) and its seed (32 bytes).

    The seed is the secret part of an Ed25519 key.
    """

    strand: StrandId
    seed: bytes = field(repr=False)

    def sign(self, message: bytes) -> bytes:
        """Sign a message as this workstation. Return an Ed25519 signature of 64 bytes."""
        return SigningKey(self.seed).sign(message).signature


def strand_verify_key(
    strand: StrandId, day: date, *, mailbox_verify_key: bytes | None, strands: Mapping[StrandId, StrandKey]
) -> bytes:
    """Return the Ed25519 public key of a writer (strand) for entries of one day.

    Raises:
        ForgedError: the writer has no key for that day.
    """
    if strand == SOURCE_STRAND and mailbox_verify_key is not None:
        return mailbox_verify_key
    key = strands.get(strand)
    if key is None or not key.counts_on(day):
        raise ForgedError
    return key.verify_key


def check_signature(verify_key: bytes, message: bytes, signature: bytes) -> None:
    """Check one Ed25519 signature over a message.

    Raises:
        ForgedError: the signature is wrong, or `verify_key` is not an Ed25519 public key.
    """
    try:
        VerifyKey(verify_key).verify(message, signature)
    except (BadSignatureError, CryptoError, ValueError) as why:
        raise ForgedError from why
