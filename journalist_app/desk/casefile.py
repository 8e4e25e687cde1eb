"""Casefile: the desk's own notes about one mailbox (docs/protocol.md, "Records").

A casefile is the body of a sealed record. Sources never see any part of a casefile.
"""

from datetime import date
from enum import StrEnum
from typing import Annotated, Final, Literal

from msgspec import Meta

from crypto.canonical_json import CanonicalStruct, StrictStruct, decode_json, encode_json
from crypto.errors import TooLongError
from protocol.identifiers import DIGEST_BYTES, Digest
from protocol.ledger import Dimension, Tally, make_tallies
from protocol.letterhead import Letterhead
from protocol.sealed_record import BODY_BYTES

PROSE_CHARS: Final = 20_000  # limit of a note and of the handover text
_Word = Annotated[str, Meta(max_length=200)]
_Prose = Annotated[str, Meta(max_length=PROSE_CHARS)]
_Digest = Annotated[Digest, Meta(min_length=DIGEST_BYTES, max_length=DIGEST_BYTES)]
LABELS: Final = 50
_CHOICES: Final = (Dimension.THEME, Dimension.ROUTE, Dimension.OUTCOME, Dimension.REGION)
_TALLY_VALUE_BYTES: Final = 242  # in JSON: 60 characters in any script


class Note(StrictStruct, frozen=True):
    """Note of an adviser in a casefile: the day, the workstation's name, and a text.

    The text has at most 20,000 characters. A casefile has the desk's notes about a mailbox.
    """

    day: date
    strand: _Word
    text: _Prose


class EvidenceKind(StrEnum):
    """Kind of entry of which a copy is kept as evidence: a proposal, or the source's answer to a proposal."""

    PROPOSAL = "proposal"
    ANSWER = "answer"


class Evidence(StrictStruct, frozen=True):
    """Copy of a proposal, or of the source's answer to a proposal, that is kept after the mailbox ends.

    `entry` is the digest of the copied entry, and `body` is the decrypted content as JSON. `envelope` and
    `signature` prove who signed the entry, but not what the entry said.
    """

    # The ciphertext is deleted with the mailbox, so only the desk itself can state what the content was.

    kind: EvidenceKind
    day: date
    entry: _Digest
    body: bytes
    envelope: bytes = b""  # empty if not kept
    signature: bytes = b""


class PassedOn(StrictStruct, frozen=True):
    """Note in a casefile about one file that the desk made for a recipient.

    `made` is the day on which the desk made the file. `delivered` is the day on which the desk handed the
    file over, or None if the desk still has the file. `begun` has the strand and the number of the step that
    told the source that passing on had begun.
    """

    recipient: _Word
    with_consent: bool
    made: date
    proposal: _Digest  # of the proposal that the source saw
    delivered: date | None = None
    begun: tuple[bytes, int] | None = None


class Casefile(CanonicalStruct, frozen=True):
    """The desk's own notes about one mailbox, which sources never see.

    `theme`, `route`, `region` and `outcome` are names from the desk's lists, or empty.
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
    keep_until: date | None = None  # last day of the evidence after the mailbox ends
    first_message: date | None = None
    first_answer: date | None = None
    came_back: bool = False  # after the first answer
    passed_on: tuple[PassedOn, ...] = ()

    def to_bytes(self) -> bytes:
        """Return the desk's notes about a mailbox as JSON, the form that is encrypted and stored.

        Raises:
            TooLongError: the JSON is over 700,000 bytes.
            MalformedError: a text has half a surrogate pair, or `from_bytes` would refuse a value.
        """
        raw = encode_json(self)
        if len(raw) > BODY_BYTES:
            raise TooLongError
        decode_json(raw, Casefile)
        return raw


def tallies_of(  # noqa: PLR0913  # what a tally consists of
    casefile: Casefile, letterhead: Letterhead, *, seed: bytes, revision: int, closed: date, is_read: bool
) -> tuple[Tally, ...]:
    """Make the eight tallies of a mailbox, which are anonymous facts for the yearly report.

    The year of the tallies is that of the first message. Without a message, it is the year of `closed`. If
    the mailbox is spam or was not read, only the tally MAILBOX has a fact.
    """
    year = (casefile.first_message or closed).year
    came_back = "yes" if casefile.came_back else "no"
    if casefile.is_spam or not is_read:
        facts = {Dimension.MAILBOX: "spam" if casefile.is_spam else "ended_unread"}
    else:
        facts = {
            Dimension.MAILBOX: "read",
            **{each: _fitting(getattr(casefile, each)) for each in _CHOICES},
            Dimension.CAME_BACK: came_back if casefile.first_answer else "no_answer",
            Dimension.FIRST_ANSWER: _first_answer(casefile, letterhead),
            Dimension.PASSED_ON: _passed_on(casefile),
        }
    return make_tallies(facts, seed=seed, revision=revision, year=year)


def _fitting(choice: str) -> str:
    """Return an adviser's choice, such as a theme, or "" if the choice is too long to be counted."""
    # Attack: with a retired workstation's keys, a thief signs a longer choice, which cannot be counted.
    return choice if len(encode_json(choice)) <= _TALLY_VALUE_BYTES else ""


def _first_answer(casefile: Casefile, letterhead: Letterhead) -> str:
    if casefile.first_message is None or casefile.first_answer is None:
        return "none"
    return str(letterhead.working_days_between(casefile.first_message, casefile.first_answer))


def _passed_on(casefile: Casefile) -> str:
    ways = {"with_consent" if passed.with_consent else "without_consent" for passed in casefile.passed_on}
    return "both" if len(ways) > 1 else next(iter(ways), "not")
