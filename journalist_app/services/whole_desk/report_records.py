"""Encrypted records of the yearly report: the counts of a published year, and the adviser's texts."""

import hashlib
import re
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Final, Literal, Self

import msgspec
from msgspec import Meta

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import RecordUnsoundError
from journalist_app.services.records import desk_records
from protocol.identifiers import Address, LanguageCode
from protocol.letterhead import Letterhead
from protocol.sealed_record import RecordKind, record_digest
from report.counts import YearCounts
from report.disclosure import Audience, Floors, Treated, treat
from report.tables import Lists
from store import records

YEARS: Final = range(2000, 2100)  # years that the source's site accepts in a report's file name
_FILE_NAME: Final = re.compile(r"^report-(\d{4})-[a-z]{2,3}\.html\Z", re.ASCII)
_Number = Annotated[int, Meta(ge=0)]


ReportWords = dict[LanguageCode, Annotated[str, Meta(max_length=100_000)]]
"""The adviser's own text in a yearly report: a dict from codes of languages to the text in each language."""


@dataclass(frozen=True, slots=True)
class ReportYear:
    """Report of one year, as it was published, or counted now if it was not published yet.

    `published` is the day of publication, or None. `digest` identifies the figures and texts.
    """

    year: int
    counts: YearCounts = field(repr=False)
    floors: Floors
    lists: Lists
    words: ReportWords = field(repr=False)
    day: date
    published: date | None
    unread: tuple[Address, ...] = ()  # no adviser has opened these mailboxes, and they count as read
    unsound: int = 0  # mailboxes and casefiles that could not be counted correctly
    ended: int = 0  # mailboxes in the inbox that are not counted yet
    by_retired: int = 0  # deleted mailboxes that only retired workstations counted

    @property
    def digest(self) -> str:
        """Return the digest, in hexadecimal, of all figures and texts in both versions of the report.

        One version is for the public, and the other for the Secretary-General.
        """
        shown = [self.version(audience) for audience in Audience]
        return hashlib.sha256(msgspec.json.encode([shown, self.words, self.lists])).hexdigest()

    def version(self, audience: Audience) -> Treated:
        """Return the counts that the report shows to one audience.

        Counts that are too small are hidden.
        """
        return treat(self.counts, self.floors, audience)


def published_years(desk: OpenDesk) -> tuple[int, ...]:
    """Return the years with a published report, newest first.

    The desk's signed letterhead (public statement) names these reports.
    """
    found = {int(year) for report in desk.letterhead.reports for year in _FILE_NAME.findall(report.title)}
    return tuple(year for year in reversed(YEARS) if year in found)


def public_file_name(year: int, language: str, kind: str) -> str:
    """Return the file name of a published report in one language and one format.

    The store and the desk's signed public statement use this name.
    """
    return f"report-{year}-{language}.{kind}"


class FrozenReport(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Figures and texts of a published report, from which the app can make the report's files again.

    The public version hides each count below `public_floor`, and the version for the Secretary-General hides
    each count below `sg_floor`.
    """

    version: Literal[1] = 1
    year: int
    published: date
    public_floor: int
    sg_floor: int
    mailboxes: dict[str, _Number]
    tables: dict[str, dict[str, _Number]]
    lists: Lists
    words: ReportWords

    @classmethod
    def of(cls, found: ReportYear, today: date) -> Self:
        """Make the record of a report that the desk publishes today."""
        return cls(
            year=found.year,
            published=today,
            public_floor=found.floors.public,
            sg_floor=found.floors.sg,
            mailboxes=dict(found.counts.mailboxes),
            tables={name: dict(table) for name, table in found.counts.tables.items()},
            lists=found.lists,
            words=found.words,
        )

    def to_year(self) -> ReportYear:
        """Return the report of the year, with the counts and texts that were published."""
        return ReportYear(
            self.year,
            YearCounts(self.year, self.mailboxes, self.tables),
            Floors(self.public_floor, self.sg_floor),
            self.lists,
            self.words,
            self.published,
            published=self.published,
        )


def read_frozen_year(desk: OpenDesk, year: int) -> ReportYear | None:
    """Return the report of a year from its record, or None if the report was not published.

    Raises:
        RecordUnsoundError: the record of a published report is missing, fails verification, or is not the
            record that the letterhead names.
    """
    # Attack: someone with a retired workstation's key signs a record with other counts, or of another year.
    name = frozen_record_name(year)
    named = frozen_digest(desk.letterhead, name)
    if named is None and year not in published_years(desk):
        return None
    with desk.store.reading() as session:
        record = records.find(session, RecordKind.COUNTS, name)
    if record is None or record_digest(record.sealed) != named:
        raise RecordUnsoundError
    _, kept = desk_records.read_json(desk, RecordKind.COUNTS, name, FrozenReport)
    return kept.to_year() if kept is not None else None


def read_words_record(desk: OpenDesk, year: int) -> tuple[int, ReportWords]:
    """Return the adviser's texts for a report, and the revision of the record that contains them.

    If there is no record, return 0 and empty texts.

    Raises:
        RecordUnsoundError: the record fails verification.
    """
    name = words_record_name(year)
    revision, words = desk_records.read_json(desk, RecordKind.COUNTS, name, ReportWords)
    return revision, words or {}


def frozen_record_name(year: int) -> bytes:
    """Return the name of the encrypted record that keeps the counts of a year's published report."""
    return b"report-%d" % year


def frozen_title(name: bytes) -> str:
    """Return the title that the letterhead uses for the record of a year's published counts."""
    return f"{name.decode('ascii', 'replace')}-counts"


def frozen_digest(letterhead: Letterhead, name: bytes) -> bytes | None:
    """Return the digest of the encrypted record of a year's published counts.

    The desk's signed public statement contains this digest. If the counts are not published, return None.
    """
    # Of the ciphertext: from a digest of the counts, anyone could find out hidden counts by trying.
    return {report.title: report.sha256 for report in letterhead.reports}.get(frozen_title(name))


def words_record_name(year: int) -> bytes:
    """Return the name of the encrypted record that keeps the adviser's texts for a year's report."""
    return b"report-words-%d" % year
