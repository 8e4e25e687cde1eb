"""Ledger: anonymous facts (tallies) that remain of deleted mailboxes (docs/protocol.md, "Tallies").

Every mailbox leaves the same number of tallies. Each tally has one fact. All tallies have the same size, and
nothing shows which tallies belong to one mailbox.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Final, Self

from msgspec import Meta
from msgspec.structs import astuple

from crypto import age, signed_lines
from crypto.canonical_json import CanonicalStruct
from crypto.errors import ForgedError, MalformedError, TooLongError
from crypto.framing import frame
from crypto.kdf import hkdf
from protocol.heads import LARGEST_NUMBER
from protocol.identifiers import STRAND_ID_BYTES, Digest, StrandId
from protocol.letterhead import Letterhead
from protocol.strand import DeskWriter, StrandKey

ROWS: Final = 8  # one for each dimension but NOTHING; the same for every mailbox, also for spam
ID_BYTES: Final = 16
_LINE_BYTES: Final = 512  # JSON with padding; a value of 60 characters in any script fits
_VERSION: Final = b"steunpunt-tally/1"
_ID_LABEL: Final = b"steunpunt/v1/tally-id"
_REVISION_LABEL: Final = b"steunpunt/v1/tally-revision"
_OFFSET_BYTES: Final = 6
_YEAR_BYTES: Final = 2


class Dimension(StrEnum):
    """Kind of fact that a tally has about a mailbox, such as its theme."""

    MAILBOX = "mailbox"  # "read", "ended_unread" or "spam"
    THEME = "theme"  # a name from the desk's list, or ""; so are the values of ROUTE, OUTCOME and REGION
    ROUTE = "route"
    OUTCOME = "outcome"
    REGION = "region"
    CAME_BACK = "came_back"  # "yes", "no" or "no_answer"
    FIRST_ANSWER = "first_answer"  # working days as a decimal number, or "none"
    PASSED_ON = "passed_on"  # "with_consent", "without_consent", "both" or "not"
    NOTHING = "nothing"  # counts nothing, and keeps the number of tallies the same


_PLACES: Final = tuple(dimension for dimension in Dimension if dimension is not Dimension.NOTHING)


class Tally(CanonicalStruct, frozen=True):
    """One anonymous fact about one mailbox, counted for one year.

    - `id`: 16 bytes, the same if the tally is made again
    - `revision`: a number that is higher in each newer tally with the same id

    Only the desk can tell which tallies belong to the same mailbox.
    """

    id: Annotated[bytes, Meta(min_length=ID_BYTES, max_length=ID_BYTES)]
    revision: Annotated[int, Meta(ge=1, le=LARGEST_NUMBER)]
    year: Annotated[int, Meta(ge=1, le=9999)]
    dimension: Dimension
    value: str

    @property
    def digest(self) -> Digest:
        """Return the SHA-256 digest of the tally (anonymous fact).

        If two tallies have the same id and the same revision, only the one with the lower digest counts.
        """
        year = self.year.to_bytes(_YEAR_BYTES)
        return Digest(
            hashlib.sha256(frame(self.id, year, self.dimension.encode(), self.value.encode())).digest()
        )


def make_tallies(
    facts: Mapping[Dimension, str], *, seed: bytes, revision: int, year: int
) -> tuple[Tally, ...]:
    """Return the tallies (anonymous facts) about a mailbox, always `ROWS` (8) of them.

    Each missing fact gives a tally that counts nothing. `revision` is that of the casefile (the desk's notes
    about the mailbox).
    """
    return tuple(
        Tally(
            _derive(_ID_LABEL, seed, place),
            revision + int.from_bytes(_derive(_REVISION_LABEL, seed, place)[:_OFFSET_BYTES]),
            year,
            place if place in facts else Dimension.NOTHING,
            facts.get(place, ""),
        )
        for place in _PLACES
    )


def tally_seed(desk_seed: bytes, verify_key: bytes) -> bytes:
    """Derive the secret seed (32 bytes) of a mailbox's tallies (anonymous facts).

    `desk_seed` is secret, so only the desk can link the tallies to the mailbox. `verify_key` must belong to
    the mailbox's address.
    """
    return hkdf(desk_seed, info=b"steunpunt/v1/tally-seed" + verify_key)


def counted_tallies(tallies: Iterable[Tally]) -> tuple[Tally, ...]:
    """Return one tally (anonymous fact about a mailbox) for each id: the one with the highest revision.

    If several tallies have this revision, the one with the lowest digest counts.
    """
    counted: dict[bytes, Tally] = {}
    for tally in sorted(tallies, key=lambda each: (-each.revision, each.digest)):
        counted.setdefault(tally.id, tally)
    return tuple(counted.values())


def seal_tallies(tallies: Sequence[Tally], letterhead: Letterhead, by: DeskWriter) -> tuple[bytes, ...]:
    """Sign each tally (anonymous fact about a mailbox), and encrypt it to the desk's newest key.

    The encrypted tallies all have one size, and are sorted.

    Raises:
        TooLongError: a value is too long for that size.
        MalformedError: a value has half a surrogate pair, or `open_tally` would refuse the value.
    """
    _, recipient = letterhead.current_epoch
    sealed = []
    for tally in tallies:
        fields = (*astuple(tally), by.strand)
        line = _Line(*fields).to_bytes()
        _Line.from_bytes(line)
        made = age.encrypt(signed_lines.write_signed_lines(_VERSION, line, by.seed), [recipient])
        sealed.append(made.header + made.payload)
    return tuple(sorted(sealed))


def open_tally(
    raw: bytes, identities: Sequence[age.PQIdentity], strands: Mapping[StrandId, StrandKey]
) -> Tally:
    """Decrypt one tally (anonymous fact about a mailbox), and check that a workstation of the desk signed it.

    Raises:
        UnreadableError: the tally is damaged, or was not encrypted to any of the identities.
        MalformedError: the decrypted bytes are not a tally.
        ForgedError: the letterhead does not have the workstation's key, or the signature is wrong.
    """
    plaintext, _ = age.decrypt(*age.split_file(raw), identities)
    line, signature = signed_lines.read_signed_lines(_VERSION, plaintext)
    fields = _Line.from_bytes(line)
    # Anyone can encrypt to the desk's key: only the signature proves that the fact is not invented.
    key = strands.get(StrandId(fields.strand))
    if key is None:
        raise ForgedError
    signed_lines.check_signed_lines(_VERSION, line, signature, key.verify_key)
    return Tally(*astuple(fields)[:-1])


def _derive(label: bytes, seed: bytes, place: Dimension) -> bytes:
    return hashlib.blake2b(frame(label, seed, place.encode()), digest_size=ID_BYTES).digest()


class _Line(Tally, frozen=True):
    strand: Annotated[bytes, Meta(min_length=STRAND_ID_BYTES, max_length=STRAND_ID_BYTES)]

    def to_bytes(self) -> bytes:
        line = super().to_bytes()
        if len(line) > _LINE_BYTES:
            raise TooLongError
        return line.ljust(_LINE_BYTES)

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        if len(raw) != _LINE_BYTES:
            raise MalformedError
        return super().from_bytes(raw)
