"""The letterhead: what the desk tells the public, signed with the desk key.

Whoever runs the server can withhold a letterhead, and nothing more: its rules are checked here, by those who
rely on it. Pure: the pinned fingerprint and the newest serial seen are handed in.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from functools import cached_property
from itertools import pairwise
from types import MappingProxyType
from typing import Annotated, Final, Literal, Self, get_args

import msgspec
from msgspec import UNSET, Meta, UnsetType

from crypto.age import PQRecipient
from crypto.canonical_json import CanonicalStruct, StrictStruct
from crypto.errors import ForgedError, MalformedError
from crypto.minisign import PublicKey, SecretKey
from crypto.passphrase import Argon2Params
from protocol.errors import LetterheadRefusal, LetterheadRefusedError
from protocol.identifiers import STRAND_ID_BYTES, StrandId
from protocol.strand import StrandKey

VERSION: Final = 1
SALT_BYTES: Final = 16
RETENTION_DAYS: Final = 90  # where the letterhead names no other
_CENTURY_DAYS: Final = 36_525
_ABSENCE_DAYS_MAX: Final = 366
_YEAR: Final = 366
_PUBLIC_KEY_LINES: Final = ("-----BEGIN PGP PUBLIC KEY BLOCK-----\n", "-----END PGP PUBLIC KEY BLOCK-----\n")
_TRUSTED_COMMENT: Final = "steunpunt/v1/letterhead"

_Language = Literal["nl", "en"]
_Line = Annotated[str, Meta(min_length=1, max_length=200)]
_Text = Annotated[str, Meta(min_length=1, max_length=4000)]
_Months = Annotated[int, Meta(ge=1, le=1200)]
_Days = Annotated[int, Meta(ge=1, le=60)]


class Argon2(StrictStruct, frozen=True):
    """Cost of one guess at a source's passphrase. Fixed as long as the desk exists.

    The limits prevent that a typing error locks out every source, or makes guesses cheap.
    """

    t: Annotated[int, Meta(ge=1, le=16)]
    m_kib: Annotated[int, Meta(ge=8, le=1024 * 1024)]
    p: Annotated[int, Meta(ge=1, le=1)]  # libsodium knows one lane

    @property
    def params(self) -> Argon2Params:
        """Return them as `passphrase.root` takes them."""
        return Argon2Params(t=self.t, m_kib=self.m_kib, p=self.p)


class Epoch(StrictStruct, frozen=True):
    """What comes in from this day on is sealed to this recipient ("age1pq1…", readable by stock age)."""

    number: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    recipient: str
    since: date


class Strand(StrictStruct, frozen=True):
    """A workstation: its id (8 bytes), name, Ed25519 key (32 bytes) and the days on which it may sign."""

    id: Annotated[bytes, Meta(min_length=STRAND_ID_BYTES, max_length=STRAND_ID_BYTES)]
    name: _Line
    verify_key: Annotated[bytes, Meta(min_length=32, max_length=32)]
    since: date
    until: date | None = None


class Absence(StrictStruct, frozen=True):
    """Days, both included, on which nobody answers."""

    since: date
    until: date


class Report(StrictStruct, frozen=True):
    """A published report, by its digest."""

    title: _Line
    published: date
    sha256: Annotated[bytes, Meta(min_length=32, max_length=32)]


class Letterhead(CanonicalStruct, frozen=True, dict=True):
    """One letterhead. It is public, so what is derived from it may be kept as long as it is."""

    version: Annotated[int, Meta(ge=VERSION, le=VERSION)]
    serial: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    issued: date
    desk_name: dict[_Language, _Line]
    site_salt: Annotated[bytes, Meta(min_length=SALT_BYTES, max_length=SALT_BYTES)]
    argon2: Argon2
    epochs: Annotated[tuple[Epoch, ...], Meta(min_length=1, max_length=100)]  # oldest first
    strands: Annotated[tuple[Strand, ...], Meta(min_length=1, max_length=1000)]
    openpgp_fingerprint: Annotated[str, Meta(pattern="^[0-9A-F]{40}$", max_length=40)] | None
    abandoned_months: _Months
    working_days: Annotated[tuple[Annotated[int, Meta(ge=0, le=6)], ...], Meta(min_length=1)]  # 0 is Monday
    closed_days: Annotated[tuple[date, ...], Meta(max_length=1000)]
    absences: Annotated[tuple[Absence, ...], Meta(max_length=100)]
    answer_working_days: _Days
    confirm_days: _Days
    substance_months: _Months
    talk: dict[_Language, _Text]
    secrecy_limits: dict[_Language, tuple[_Text, ...]]
    reports: tuple[Report, ...] = ()
    openpgp_key: Annotated[str, Meta(max_length=100_000)] | UnsetType = UNSET  # ASCII armour, a public key
    retention_days: Annotated[int, Meta(ge=1, le=3650)] | UnsetType = UNSET

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Read exactly what `to_bytes` writes. Only `verify_letterhead` proves who wrote it.

        Raises:
            MalformedError: anything else, another version, or values that contradict each other.
        """
        letterhead = super().from_bytes(raw)
        _require_consistent(letterhead)
        return letterhead

    @cached_property
    def current_epoch(self) -> tuple[int, PQRecipient]:
        """Return number and recipient of the epoch that entries are sealed for now."""
        newest = self.epochs[-1]
        return newest.number, PQRecipient.from_text(newest.recipient)

    @cached_property
    def strand_keys(self) -> Mapping[StrandId, StrandKey]:
        """Return the desk's signing keys by strand, with the days on which each counts."""
        return MappingProxyType(
            {
                StrandId(strand.id): StrandKey(strand.verify_key, strand.since, strand.until)
                for strand in self.strands
            }
        )

    @property
    def deletes_after_days(self) -> int:
        """Return how many days after it was closed a mailbox is deleted."""
        return RETENTION_DAYS if self.retention_days is UNSET else self.retention_days

    def successor(self, **changes: object) -> Self:
        """Return the letterhead that comes after this one, with these fields changed; `sign` judges it."""
        return msgspec.structs.replace(self, serial=self.serial + 1, **changes)

    def expect_by(self, day: date) -> date:
        """Return the day by which something that comes in on `day` has its answer.

        Only days after `day` count on which the desk works: closed days and absences are skipped.
        """
        return self.working_days_after(day, self.answer_working_days)

    def working_days_after(self, day: date, count: int) -> date:
        """Return the `count`-th working day after a day, or the last day of the calendar, in year 9999."""
        while count > 0 and day < date.max:
            day += timedelta(days=1)
            count -= self.is_working_day(day)
        return day

    def working_days_between(self, earlier: date, later: date) -> int:
        """Return how many working days lie after `earlier`, up to and including `later`; 0 in reverse.

        Of more than a century only the first is counted: the day of an entry is its writer's word, and from
        the year 1 counting held a core for seconds.
        """
        count = min((later - earlier).days, _CENTURY_DAYS)
        days = (earlier + timedelta(days=ahead) for ahead in range(1, count + 1))
        return sum(map(self.is_working_day, days))

    def is_working_day(self, day: date) -> bool:
        """Tell whether the desk works on a day: of its week, not closed, and nobody is away."""
        return (
            day.weekday() in self.working_days
            and day not in self._closed
            and not any(absence.since <= day <= absence.until for absence in self.absences)
        )

    @cached_property
    def _closed(self) -> frozenset[date]:
        return frozenset(self.closed_days)


def sign_letterhead(letterhead: Letterhead, desk_key: SecretKey) -> tuple[bytes, bytes]:
    """Return the letterhead's bytes and their signature as a minisign file.

    Raises:
        MalformedError: `verify` would refuse it. Better here than on every server at once.
    """
    body = letterhead.to_bytes()
    Letterhead.from_bytes(body)
    return body, desk_key.sign(body, _comment(letterhead.serial))


def verify_letterhead(
    body: bytes,
    signature: bytes,
    fingerprint: str,
    *,
    at_least_serial: int = 0,
    same_parameters_as: Letterhead | None = None,
) -> Letterhead:
    """Return a letterhead that may be relied on.

    `fingerprint` is the desk's minisign public key ("RW…"), from where it was pinned and never from beside
    the letterhead. `at_least_serial` is the newest serial seen so far: it stops a replay of an older
    letterhead, whose epoch's key may have been destroyed or stolen. `same_parameters_as` is a letterhead seen
    before: with another salt or another cost every passphrase would open another, empty mailbox.

    Raises:
        LetterheadRefusedError: `reason` says why. The signature is checked before anything is parsed.
        MalformedError: `fingerprint` is not one.
    """
    desk = PublicKey.from_text(fingerprint)
    try:
        comment = desk.verify(body, signature)
    except ForgedError as why:
        raise LetterheadRefusedError(LetterheadRefusal.FORGED) from why
    try:
        letterhead = Letterhead.from_bytes(body)
    except MalformedError as why:
        raise LetterheadRefusedError(LetterheadRefusal.MALFORMED) from why
    if comment != _comment(letterhead.serial):
        # Signed by the desk, but as something else: a signature is good for one purpose.
        raise LetterheadRefusedError(LetterheadRefusal.FORGED)
    if letterhead.serial < at_least_serial:
        raise LetterheadRefusedError(LetterheadRefusal.OLDER)
    known = same_parameters_as
    if known and (known.site_salt, known.argon2) != (letterhead.site_salt, letterhead.argon2):
        raise LetterheadRefusedError(LetterheadRefusal.OTHER_PARAMETERS)
    return letterhead


def _require_consistent(letterhead: Letterhead) -> None:
    """Refuse what has the right shape and still makes no sense.

    Raises:
        MalformedError: without a reason; only the desk's own tool can cause it.
    """
    in_turn = all(
        older.number < newer.number and older.since < newer.since
        for older, newer in pairwise(letterhead.epochs)
    )
    begun = letterhead.epochs[-1].since <= letterhead.issued
    named_once = len({strand.id for strand in letterhead.strands}) == len(letterhead.strands)
    in_use = all(strand.until is None or strand.since <= strand.until for strand in letterhead.strands)
    bounded = all(
        timedelta(0) <= absence.until - absence.since < timedelta(_ABSENCE_DAYS_MAX)
        for absence in letterhead.absences
    )
    week = list(letterhead.working_days) == sorted(set(letterhead.working_days))
    texts = (letterhead.desk_name, letterhead.talk, letterhead.secrecy_limits)
    translated = all(len(text) == len(get_args(_Language)) for text in texts)
    if not (in_turn and begun and named_once and in_use and bounded and week and translated):
        raise MalformedError
    for epoch in letterhead.epochs:
        PQRecipient.from_text(epoch.recipient)
    if letterhead.openpgp_key is not UNSET:
        _require_public_key(letterhead.openpgp_key, letterhead.openpgp_fingerprint)
    first = letterhead.issued.toordinal() + 1
    soon = range(first, min(first + _YEAR, date.max.toordinal() + 1))
    if not any(letterhead.is_working_day(date.fromordinal(day)) for day in soon):
        raise MalformedError  # a calendar with no working day: nothing could be promised by any day


def _require_public_key(armoured: str, fingerprint: str | None) -> None:
    """Refuse what is no public key at a glance, or has no fingerprint to be judged by.

    It is never parsed here: who uses it compares its fingerprint.
    """
    begin, end = _PUBLIC_KEY_LINES
    is_armour = armoured.startswith(begin) and armoured.endswith(end) and armoured.isascii()
    if not is_armour or fingerprint is None:
        raise MalformedError


def _comment(serial: int) -> str:
    return f"{_TRUSTED_COMMENT} {serial}"
