"""Letterhead: the desk's public statement, signed with the desk key (docs/protocol.md, "Letterhead").

A letterhead contains the desk's keys, calendar and texts. Someone who runs the server can withhold a
letterhead, but cannot change it: everyone who relies on a letterhead first checks it with this module,
against a pinned fingerprint and the newest serial seen.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Final, Self

import msgspec
from msgspec import UNSET, Meta, UnsetType

from crypto.age import PQRecipient
from crypto.canonical_json import CanonicalStruct, StrictStruct
from crypto.errors import ForgedError, MalformedError
from crypto.minisign import PublicKey, SecretKey
from crypto.passphrase import Argon2Params
from protocol.errors import LetterheadRefusal, LetterheadRefusedError
from protocol.identifiers import STRAND_ID_BYTES, LanguageCode, StrandId
from protocol.strand import StrandKey

VERSION: Final = 1
SALT_BYTES: Final = 16
# Site salt of every trial desk. A site salt never changes, so a trial desk can never become a real one.
TRIAL_SALT: Final = b"not a real desk!"
RETENTION_DAYS: Final = 90  # used if the letterhead does not name another number of days
_CENTURY_DAYS: Final = 36_525
_ABSENCE_MAX: Final = timedelta(days=366)
_YEAR: Final = 366
_PUBLIC_KEY_LINES: Final = ("-----BEGIN PGP PUBLIC KEY BLOCK-----\n", "-----END PGP PUBLIC KEY BLOCK-----\n")
_TRUSTED_COMMENT: Final = "steunpunt/v1/letterhead"

_Line = Annotated[str, Meta(min_length=1, max_length=200)]
_Text = Annotated[str, Meta(min_length=1, max_length=4000)]
_Months = Annotated[int, Meta(ge=1, le=1200)]
_Days = Annotated[int, Meta(ge=1, le=60)]


class Argon2(StrictStruct, frozen=True):
    """Argon2id cost of one guess at a source's passphrase. The cost is fixed as long as the desk exists."""

    t: Annotated[int, Meta(ge=1, le=16)]
    m_kib: Annotated[int, Meta(ge=8, le=1024 * 1024)]
    p: Annotated[int, Meta(ge=1, le=1)]  # libsodium supports one lane

    @property
    def params(self) -> Argon2Params:
        """Return the cost as `Argon2Params`, which `derive_root_key` needs."""
        return Argon2Params(t=self.t, m_kib=self.m_kib, p=self.p)


class Epoch(StrictStruct, frozen=True):
    """Generation of the desk's encryption key: its number, its public key (`recipient`) and its first day.

    `recipient` is "age1pq1…", which a stock age tool can read.
    """

    number: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    recipient: str
    since: date


class Strand(StrictStruct, frozen=True):
    """Public key of one workstation: id (8 bytes), name, Ed25519 key (32 bytes) and days of use.

    Entries that this workstation signed may be dated from `since` to `until`, both days included.
    """

    id: Annotated[bytes, Meta(min_length=STRAND_ID_BYTES, max_length=STRAND_ID_BYTES)]
    name: _Line
    verify_key: Annotated[bytes, Meta(min_length=32, max_length=32)]
    since: date
    until: date | None = None


class Absence(StrictStruct, frozen=True):
    """Period in which no one at the desk answers. The first and the last day are included."""

    since: date
    until: date


class Report(StrictStruct, frozen=True):
    """A yearly report that the desk has published: its name and its SHA-256 digest."""

    title: _Line
    published: date
    sha256: Annotated[bytes, Meta(min_length=32, max_length=32)]


class Letterhead(CanonicalStruct, frozen=True, dict=True):
    """The desk's public statement: its keys, its calendar, its promises and its texts.

    A letterhead is public, so values derived from it may be cached on the object.
    """

    version: Annotated[int, Meta(ge=VERSION, le=VERSION)]
    serial: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    issued: date
    desk_name: dict[LanguageCode, _Line]
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
    talk: dict[LanguageCode, _Text]
    secrecy_limits: dict[LanguageCode, tuple[_Text, ...]]
    reports: tuple[Report, ...] = ()
    openpgp_key: Annotated[str, Meta(max_length=100_000)] | UnsetType = UNSET  # ASCII armour, a public key
    retention_days: Annotated[int, Meta(ge=1, le=3650)] | UnsetType = UNSET

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Parse a letterhead (the desk's public statement). No signature is checked here.

        Only the exact bytes that `to_bytes` writes are accepted.

        Raises:
            MalformedError: `to_bytes` never writes these bytes, or values contradict each other.
        """
        letterhead = super().from_bytes(raw)
        _require_consistent(letterhead)
        return letterhead

    @cached_property
    def current_epoch(self) -> tuple[int, PQRecipient]:
        """Return the number and the public key of the desk's newest epoch (generation of its encryption key).

        New entries are encrypted to this key.
        """
        newest = self.epochs[-1]
        return newest.number, PQRecipient.from_text(newest.recipient)

    @cached_property
    def strand_keys(self) -> Mapping[StrandId, StrandKey]:
        """Return a mapping from each workstation's strand id to its public signing key and days of use."""
        return {
            StrandId(strand.id): StrandKey(strand.verify_key, strand.since, strand.until)
            for strand in self.strands
        }

    def strands_in_use(self, today: date) -> set[StrandId]:
        """Return the strands of the workstations that the desk has not taken out of use."""
        return {StrandId(each.id) for each in self.strands if each.until is None or each.until >= today}

    @property
    def is_trial(self) -> bool:
        """Return True if this is a trial desk, which can never become a real one."""
        return self.site_salt == TRIAL_SALT

    @property
    def deletes_after_days(self) -> int:
        """Return the number of days between the closing of a mailbox and its deletion."""
        return RETENTION_DAYS if self.retention_days is UNSET else self.retention_days

    def successor(self, **changes: object) -> Self:
        """Return a copy of the letterhead with the given fields changed, and with the next serial.

        A letterhead is the desk's signed public statement. `sign_letterhead` checks the copy.
        """
        return msgspec.structs.replace(self, serial=self.serial + 1, **changes)

    def expect_by(self, day: date) -> date:
        """Return the last day on which the desk promises to answer a message that was sent on `day`.

        Only working days after `day` count. Closed days and absences are skipped.
        """
        return self.working_days_after(day, self.answer_working_days)

    def working_days_after(self, day: date, count: int) -> date:
        """Return the working day that is `count` working days after a day.

        If there is no such day before the year 10000, the result is 31 December 9999.
        """
        while count > 0 and day < date.max:
            day += timedelta(days=1)
            count -= self.is_working_day(day)
        return day

    def working_days_between(self, earlier: date, later: date) -> int:
        """Return the number of working days after `earlier`, up to and including `later`.

        The result is 0 if `later` is before `earlier`. At most a century is counted.
        """
        # A hostile source could date an entry in the year 1, and counting from there takes seconds.
        count = min((later - earlier).days, _CENTURY_DAYS)
        days = (earlier + timedelta(days=ahead) for ahead in range(1, count + 1))
        return sum(map(self.is_working_day, days))

    def is_working_day(self, day: date) -> bool:
        """Return True if the desk works on a day.

        The desk works on its weekdays, except on closed days and during an absence.
        """
        return (
            day.weekday() in self.working_days
            and day not in self._closed
            and not any(absence.since <= day <= absence.until for absence in self.absences)
        )

    @cached_property
    def _closed(self) -> frozenset[date]:
        return frozenset(self.closed_days)


def sign_letterhead(letterhead: Letterhead, desk_key: SecretKey) -> tuple[bytes, bytes]:
    """Return the letterhead's bytes, and the desk's signature of these bytes as a minisign file.

    Raises:
        MalformedError: the letterhead has a fault for which every server would refuse it.
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
    """Check a letterhead (the desk's public statement) and its signature, and return the letterhead.

    - `fingerprint`: the desk's minisign public key ("RW…") from the settings, never from the letterhead's
      sender
    - `at_least_serial`: the newest serial seen so far; an older letterhead is refused
    - `same_parameters_as`: a letterhead seen before, which must have the same salt and cost

    Raises:
        LetterheadRefusedError: `reason` says why.
        MalformedError: `fingerprint` is not a minisign public key.
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
        # The desk signed these bytes for another purpose. A signature is valid for one purpose only.
        raise LetterheadRefusedError(LetterheadRefusal.FORGED)
    if letterhead.serial < at_least_serial:
        raise LetterheadRefusedError(LetterheadRefusal.OLDER)
    # With another salt or cost, every passphrase would open another, empty mailbox.
    known = same_parameters_as
    if known and (known.site_salt, known.argon2) != (letterhead.site_salt, letterhead.argon2):
        raise LetterheadRefusedError(LetterheadRefusal.OTHER_PARAMETERS)
    return letterhead


def _require_consistent(letterhead: Letterhead) -> None:
    epochs, strands, week = letterhead.epochs, letterhead.strands, letterhead.working_days
    texts = (letterhead.desk_name, letterhead.talk, letterhead.secrecy_limits)
    is_consistent = (
        all(old.number < new.number and old.since < new.since for old, new in pairwise(epochs))
        and epochs[-1].since <= letterhead.issued
        and len({strand.id for strand in strands}) == len(strands)
        and all(strand.until is None or strand.since <= strand.until for strand in strands)
        and all(timedelta(0) <= each.until - each.since < _ABSENCE_MAX for each in letterhead.absences)
        and list(week) == sorted(set(week))
        and bool(texts[0])
        and all(text.keys() == texts[0].keys() for text in texts)
    )
    if not is_consistent:
        raise MalformedError
    for epoch in letterhead.epochs:
        PQRecipient.from_text(epoch.recipient)
    if letterhead.openpgp_key is not UNSET:
        _require_public_key(letterhead.openpgp_key, letterhead.openpgp_fingerprint)
    first = letterhead.issued.toordinal() + 1
    soon = range(first, min(first + _YEAR, date.max.toordinal() + 1))
    if not any(letterhead.is_working_day(date.fromordinal(day)) for day in soon):
        raise MalformedError  # without a working day in the next year, no answer could be promised


def _require_public_key(armoured: str, fingerprint: str | None) -> None:
    begin, end = _PUBLIC_KEY_LINES
    is_armour = armoured.startswith(begin) and armoured.endswith(end) and armoured.isascii()
    if not is_armour or fingerprint is None:
        raise MalformedError


def _comment(serial: int) -> str:
    return f"{_TRUSTED_COMMENT} {serial}"
