"""The casefile: what the desk notes about one mailbox, for itself (docs/protocol.md, "Records").

It is the body of a record of that kind; nothing of it is ever shown to a source.
"""

from datetime import date
from enum import StrEnum
from typing import Annotated, Final, Literal

from msgspec import Meta

from crypto.canonical_json import CanonicalStruct, StrictStruct, decode_json, encode_json
from crypto.errors import TooLongError
from protocol.identifiers import DIGEST_BYTES, Digest
from protocol.sealed_record import BODY_BYTES

_Word = Annotated[str, Meta(max_length=200)]
_Prose = Annotated[str, Meta(max_length=20_000)]
_Digest = Annotated[Digest, Meta(min_length=DIGEST_BYTES, max_length=DIGEST_BYTES)]
LABELS: Final = 50


class Note(StrictStruct, frozen=True):
    """An adviser's note: the day, the workstation's name, and at most 20,000 characters."""

    day: date
    strand: _Word
    text: _Prose


class EvidenceKind(StrEnum):
    """What is kept as evidence."""

    PROPOSAL = "proposal"
    ANSWER = "answer"


class Evidence(StrictStruct, frozen=True):
    """An entry that is kept though its mailbox may end: a proposal, or the source's answer to one.

    `entry` is its digest, `body` its content as JSON, as the desk opened it. `envelope` and `signature`, if
    kept, prove that the source signed an entry of that digest; that `body` is what stood in it is the desk's
    word, for the ciphertext is gone with the mailbox.
    """

    kind: EvidenceKind
    day: date
    entry: _Digest
    body: bytes
    envelope: bytes = b""
    signature: bytes = b""


class PassedOn(StrictStruct, frozen=True):
    """Something that was passed on: to whom, made on which day, handed over on which; None: not yet.

    `proposal` is the digest of what was shown to the source.
    """

    recipient: _Word
    with_consent: bool
    made: date
    proposal: _Digest
    delivered: date | None = None


class Casefile(CanonicalStruct, frozen=True):
    """The adviser's sealed notes about one mailbox.

    Theme, route, region and outcome are names from the desk's own lists, empty where nothing was chosen.
    `first_message` and `first_answer` are the days they came, `came_back` whether the source did after the
    first answer. `keep_until` is the day until which evidence outlives the mailbox.
    """

    version: Literal[1] = 1
    notes: tuple[Note, ...] = ()
    labels: Annotated[tuple[_Word, ...], Meta(max_length=LABELS)] = ()
    theme: _Word = ""
    route: _Word = ""
    region: _Word = ""
    outcome: _Word = ""
    reminder: date | None = None
    handover: _Prose = ""
    is_spam: bool = False
    evidence: tuple[Evidence, ...] = ()
    keep_until: date | None = None
    first_message: date | None = None
    first_answer: date | None = None
    came_back: bool = False
    passed_on: tuple[PassedOn, ...] = ()

    def to_bytes(self) -> bytes:
        """Write the casefile as JSON, to be the body of a record.

        Raises:
            TooLongError: it is over what a record holds.
            MalformedError: half a surrogate pair, or a value that `from_bytes` would refuse.
        """
        raw = encode_json(self)
        if len(raw) > BODY_BYTES:
            raise TooLongError
        decode_json(raw, Casefile)
        return raw
