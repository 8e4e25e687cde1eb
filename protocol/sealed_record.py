"""Sealed records: encrypted, signed notes that the desk stores for its own use, such as drafts.

See docs/protocol.md, "Records".
"""

import hashlib
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Final

from msgspec import UNSET, Meta, UnsetType

from crypto import age, signed_lines
from crypto.canonical_json import CanonicalStruct
from crypto.errors import ForgedError, MalformedError, TooLongError
from crypto.padding import pad_json
from protocol.errors import NewerVersionError
from protocol.identifiers import DIGEST_BYTES, STRAND_ID_BYTES, Digest, StrandId
from protocol.keyring import Keyring
from protocol.letterhead import Letterhead
from protocol.strand import StrandKey

BODY_BYTES: Final = 700_000  # fits into one row of the store (1 MiB) in base64, padded and encrypted
NAME_BYTES: Final = 64
PAST: Final = 32  # revisions that a revision names as contained in it
_VERSION: Final = b"steunpunt-record/1"
_ANY_VERSION: Final = b"steunpunt-record/"
_UNSENT_VERSION: Final = b"steunpunt-unsent/1"
_LARGEST_REVISION: Final = 2**63 - 1  # the largest number of a signed 64-bit column


class RecordKind(StrEnum):
    """Purpose of a record. A record is an encrypted note that the desk stores for its own use."""

    CASEFILE = "casefile"
    DRAFT = "draft"
    TEMPLATES = "templates"
    UNSENT = "unsent"
    COUNTS = "counts"


KEPT_HERE: Final = frozenset(
    {RecordKind.DRAFT, RecordKind.UNSENT}
)  # records of these kinds stay on the workstation where they were typed, and are in no pouch


@dataclass(frozen=True, slots=True)
class OpenedRecord:
    """A record (note of the desk), decrypted and verified.

    - `body`: empty if the desk dropped the record
    - `strand`: id of the workstation that wrote the record
    - `past`: digests of the revisions that this revision replaces, newest first
    """

    revision: int
    body: bytes = field(repr=False)
    strand: StrandId
    past: tuple[Digest, ...] = ()


Revision = tuple[bytes, OpenedRecord]  # encrypted bytes of one revision, and the same revision opened


def record_digest(sealed: bytes) -> Digest:
    """Return the digest that names one revision of a record: SHA-256 of its encrypted bytes."""
    return Digest(hashlib.sha256(sealed).digest())


def past_after(*made_from: Revision) -> tuple[Digest, ...]:
    """Return the digests of the revisions that a new record replaces, the latest first, at most `PAST`.

    `made_from` has the revisions from which the new record is made, in any order.
    """
    pasts = sorted((record_digest(sealed), *opened.past) for sealed, opened in made_from)
    nearest_first = itertools.chain.from_iterable(itertools.zip_longest(*pasts))
    return tuple(dict.fromkeys(digest for digest in nearest_first if digest is not None))[:PAST]


def seal_record(
    kind: RecordKind, name: bytes, body: bytes, *made_from: Revision, keyring: Keyring, letterhead: Letterhead
) -> bytes:
    """Sign a record of the desk as this workstation, and encrypt the record to the desk's newest key.

    `name` has at most 64 bytes, and `body` at most 700,000. The record replaces the revisions in `made_from`,
    and gets the next number.

    Raises:
        TooLongError: the body or the name is over its limit.
        MalformedError: the record's number would be over 63 bits.
    """
    if len(body) > BODY_BYTES or len(name) > NAME_BYTES:
        raise TooLongError
    strand, past = keyring.strand, past_after(*made_from) or UNSET
    revision = 1 + max((opened.revision for _, opened in made_from), default=0)
    record = _Record(kind=kind, name=name, revision=revision, strand=strand.id, body=body, past=past)
    wire = record.to_bytes()
    _Record.from_bytes(wire)
    return _encrypt(signed_lines.write_signed_lines(_VERSION, wire, strand.seed), letterhead)


def open_record(
    raw: bytes, kind: RecordKind, name: bytes, keyring: Keyring, strands: Mapping[StrandId, StrandKey]
) -> OpenedRecord:
    """Decrypt a record, and check that a workstation of the desk signed it with this kind and name.

    The record can be an old revision. `TrustedState.saw_record` detects old revisions.

    Raises:
        UnreadableError: the record is damaged, or was not encrypted to any key of the desk.
        MalformedError: the decrypted bytes are not a record.
        NewerVersionError: a later version of the program wrote the record.
        ForgedError: the workstation is unknown, the signature is wrong, or the record has another kind or
            name.
    """
    plaintext, _ = age.decrypt(*age.split_file(raw), keyring.identities)
    version, _, _ = plaintext.partition(b"\n")
    if version != _VERSION and version.startswith(_ANY_VERSION):
        raise NewerVersionError
    wire, signature = signed_lines.read_signed_lines(_VERSION, plaintext)
    record = _Record.from_bytes(wire)
    key = strands.get(StrandId(record.strand))
    if key is None or (record.kind, record.name) != (kind, name):
        raise ForgedError
    signed_lines.check_signed_lines(_VERSION, wire, signature, key.verify_key)
    return OpenedRecord(record.revision, record.body, StrandId(record.strand), record.past or ())


def seal_unsent(body: bytes, letterhead: Letterhead) -> bytes:
    """Encrypt but do not sign a text that was submitted while the app was locked.

    `body` has at most 700,000 bytes. Anyone who can write to the store can make such a text, so never send
    the decrypted text unread.

    Raises:
        TooLongError: the body is over its limit.
    """
    if len(body) > BODY_BYTES:
        raise TooLongError
    wire = _Unsent(body=body).to_bytes()
    return _encrypt(_UNSENT_VERSION + b"\n" + wire + b"\n", letterhead)


def open_unsent(raw: bytes, identities: tuple[age.PQIdentity, ...]) -> bytes:
    """Decrypt a text that someone submitted while the app was locked. Nothing proves who wrote the text.

    Raises:
        UnreadableError: the text is damaged, or was not encrypted to any of these secret keys.
        MalformedError: the decrypted bytes are not an unsent text.
    """
    plaintext, _ = age.decrypt(*age.split_file(raw), identities)
    version, _, rest = plaintext.partition(b"\n")
    if version != _UNSENT_VERSION or not rest.endswith(b"\n"):
        raise MalformedError
    return _Unsent.from_bytes(rest[:-1]).body


def _encrypt(plaintext: bytes, letterhead: Letterhead) -> bytes:
    _, recipient = letterhead.current_epoch
    sealed = age.encrypt(plaintext, [recipient])
    return sealed.header + sealed.payload


_Digest = Annotated[Digest, Meta(min_length=DIGEST_BYTES, max_length=DIGEST_BYTES)]


class _PaddedStruct(CanonicalStruct, frozen=True):
    def to_bytes(self) -> bytes:
        return pad_json(super().to_bytes())


class _Record(_PaddedStruct, frozen=True):
    kind: RecordKind
    name: Annotated[bytes, Meta(max_length=NAME_BYTES)]
    revision: Annotated[int, Meta(ge=1, le=_LARGEST_REVISION)]
    strand: Annotated[bytes, Meta(min_length=STRAND_ID_BYTES, max_length=STRAND_ID_BYTES)]
    body: Annotated[bytes, Meta(max_length=BODY_BYTES)]
    past: Annotated[tuple[_Digest, ...], Meta(min_length=1, max_length=PAST)] | UnsetType = UNSET


class _Unsent(_PaddedStruct, frozen=True):
    body: Annotated[bytes, Meta(max_length=BODY_BYTES)]
