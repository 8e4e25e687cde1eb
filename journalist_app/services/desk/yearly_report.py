"""The yearly report: counting a year, showing what may be shown of it, and publishing it once."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import chain
from multiprocessing.connection import Connection, wait
from typing import Annotated, Final, Literal, Self

import msgspec
from msgspec import Meta

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.desk.verification import Conversation, conversation_of
from journalist_app.errors import MailboxNotFoundError, RecordUnsoundError, ReportRefusal, ReportRefusedError
from journalist_app.inbox.option_lists import Option
from journalist_app.search import tally_reader
from journalist_app.search.tally_reader import OpenedTally
from journalist_app.services.closing.ended_mailboxes import list_unacknowledged
from journalist_app.services.desk import publish_letterhead
from journalist_app.services.mailbox import count_for_report
from journalist_app.services.records import casefiles, desk_records
from protocol.casefile import Casefile
from protocol.envelope import Author
from protocol.identifiers import Address
from protocol.ledger import Dimension, tallies_of
from protocol.letterhead import Letterhead, Report
from protocol.sealed_record import RecordKind, seal_record
from report import html, pdf, table_csv
from report.counts import CountedTally, YearCounts, count_year, gather, years_with_mailboxes
from report.disclosure import Audience, Floors, Treated, treat
from report.document import LANGUAGES, Document, Imprint, compose_report, require_plain
from report.errors import WordsError
from report.tables import Lists, shapes
from report.tables import TableLine as Line
from store import entries, public_files, records
from store import ledger_tallies as ledger
from store.errors import RecordMovedError

FILE_KINDS: Final = ("html", "pdf", "csv")
YEARS: Final = range(2000, 2100)  # what a file's name and the source's site know
_MANY: Final = 2000  # tallies that are worth starting processes for: half a second's work
_PATIENCE_SECONDS: Final = 60  # between two portions of some hundred tallies

_Number = Annotated[int, Meta(ge=0)]
_Text = Annotated[str, Meta(max_length=100_000)]


@dataclass(frozen=True, slots=True)
class ReportWords:
    """What the adviser says in the report, in Dutch and in English."""

    nl: str = ""
    en: str = ""

    def of(self, language: str) -> str:
        """Return the text for "nl" or "en"."""
        return self.nl if language == "nl" else self.en


@dataclass(frozen=True, slots=True)
class ReportYear:
    """A year's report as it is, or would be. `published` is None while it is not.

    The `unread` mailboxes are there still and count as read; `unsound` could not be counted as they should,
    in mailboxes and casefiles; `ended` mailboxes wait in the inbox to be seen and are not counted yet.
    `digest` names figures and words, so that what is published is what was looked at.
    """

    year: int
    counts: YearCounts = field(repr=False)
    floors: Floors
    lists: Lists
    words: ReportWords = field(repr=False)
    day: date
    published: date | None
    unread: tuple[Address, ...] = ()
    unsound: int = 0
    ended: int = 0

    @property
    def digest(self) -> str:
        """Return the name of what is shown, in hexadecimal digits."""
        shown = [self.version(audience) for audience in Audience]
        return hashlib.sha256(msgspec.json.encode([shown, self.words, self.lists])).hexdigest()

    def version(self, audience: Audience) -> Treated:
        """Return what a version shows."""
        return treat(self.counts, self.floors, audience)


# ---- looking ---------------------------------------------------------------------------------------


def published_years(desk: OpenDesk) -> tuple[int, ...]:
    """Return the years that were published, newest first; the letterhead tells."""
    names = {report.title for report in desk.letterhead.reports}
    return tuple(year for year in reversed(YEARS) if public_file_name(year, "nl", "html") in names)


def years_to_report(desk: OpenDesk, today: date) -> tuple[int, ...]:
    """Return the years with anything in them and not yet published, newest first. It opens the ledger.

    Raises:
        LedgerUnreadError: the ledger could not be read.
    """
    with desk.store.reading() as session:
        live = {day.year for _, day in entries.first_entry_days(session, Author.SOURCE)}
    found = {*live, *years_with_mailboxes(gather(read_ledger(desk)))} - set(published_years(desk))
    return tuple(sorted((year for year in found if year in YEARS and year <= today.year), reverse=True))


def read_report_year(desk: OpenDesk, year: int, today: date) -> ReportYear:
    """Return a year: as it was frozen, or counted now.

    Raises:
        RecordUnsoundError: what was frozen, or the words for it, is not what this desk wrote.
        LedgerUnreadError: the ledger could not be read.
    """
    frozen = _frozen(desk, year)
    if frozen is not None:
        return frozen
    live = _Live(desk, year)
    gathered = gather(chain(read_ledger(desk), live.tallies()))
    lists = _lists(desk)
    counts = count_year(gathered, year, shapes(lists), Dimension.NOTHING)
    return ReportYear(
        year,
        counts,
        desk.config.floors,
        lists,
        read_report_words(desk, year),
        today,
        published=None,
        unread=tuple(live.unread),
        unsound=live.unsound,
        ended=len(list_unacknowledged(desk, today)),
    )


def read_ledger(desk: OpenDesk) -> Iterator[CountedTally]:
    """Yield every tally that a workstation of this desk wrote; what was opened before is known.

    Raises:
        LedgerUnreadError: a process that opens them broke off.
    """
    with desk.store.reading() as session:
        here = ledger.tally_ids(session)
    unknown = [row for row in here if row not in desk.tallies]
    starters = desk.index.starters
    if len(unknown) < _MANY or not starters:
        key = tally_reader.TallyKey(desk.keyring.identities, desk.letterhead)
        for opened in tally_reader.read_tallies(desk.store, unknown, key):
            _keep(desk, opened)
    else:
        _open_in_processes(desk, unknown)
    known = (desk.tallies.get(row) for row in here)
    return (tally for tally in known if tally is not None and tally.is_ours)


def read_report_words(desk: OpenDesk, year: int) -> ReportWords:
    """Return what the adviser wrote for a report that is not published yet.

    Raises:
        RecordUnsoundError: it is not what this desk wrote.
    """
    return _words(desk, year)[1]


# ---- writing and publishing ------------------------------------------------------------------------


def save_report_words(desk: OpenDesk, year: int, words: ReportWords) -> None:
    """Keep the adviser's words for a report, sealed.

    Raises:
        OwnWordsError: a text is too long or holds control characters. Nothing has changed.
        AlreadyPublishedError: the year's report is out.
        RecordUnsoundError, RecordMovedError: as `sealed_records` has it.
    """
    try:
        for language in LANGUAGES:
            require_plain(words.of(language))
    except WordsError as why:
        raise ReportRefusedError(ReportRefusal.TEXT) from why
    if _frozen(desk, year) is not None:
        raise ReportRefusedError(ReportRefusal.PUBLISHED)
    revision, before = _words(desk, year)
    if words != before:
        body = msgspec.json.encode(_Words(nl=words.nl, en=words.en))
        desk_records.write_record(desk, RecordKind.COUNTS, _words_name(year), revision + 1, body)


def publish_report(desk: OpenDesk, year: int, digest: str, today: date) -> None:
    """Freeze a year's counts and publish its report, all of it or nothing.

    `digest` is that of the year as the adviser looked at it.

    Raises:
        YearNotOverError: the year is not over.
        AlreadyPublishedError: it was published.
        CountsChangedError: figures or words have changed since they were looked at.
        PdfToolsMissingError: this machine cannot make a PDF.
        LetterheadMovedError: another workstation published a letterhead meanwhile.
        RecordUnsoundError, LedgerUnreadError: as `look_at` has it.
        StoreError: it could not be kept.
    """
    if year >= today.year:
        raise ReportRefusedError(ReportRefusal.NOT_OVER)
    found = read_report_year(desk, year, today)
    if found.published is not None:
        raise ReportRefusedError(ReportRefusal.PUBLISHED)
    if found.digest != digest:
        raise ReportRefusedError(ReportRefusal.CHANGED)
    frozen = replace(found, published=today)
    files = {
        public_file_name(year, language, kind): body
        for language in LANGUAGES
        for kind, body in _files(desk, frozen, Audience.PUBLIC, language).items()
    }
    _keep_first_days(desk, found.unread)
    _publish(desk, found, files, today)


def build_report_file(
    desk: OpenDesk, found: ReportYear, audience: Audience, language: str, kind: str
) -> bytes:
    """Return one file of a version. What was published is made anew from what was frozen; else it is a draft.

    Raises:
        PdfToolsMissingError: this machine cannot make a PDF.
    """
    document = build_document(desk, found, audience, language)
    if kind == "csv":
        return table_csv.render_csv(document, found.year)
    page = html.render_html(document)
    return page if kind == "html" else pdf.render_pdf(page)


def build_document(desk: OpenDesk, found: ReportYear, audience: Audience, language: str) -> Document:
    """Return a version in one language, before it is laid out."""
    names: Mapping[str, str] = {str(each): name for each, name in desk.letterhead.desk_name.items()}
    imprint = Imprint(names[language], found.day, found.words.of(language), is_draft=found.published is None)
    return compose_report(found.version(audience), found.lists, language, imprint)


def public_file_name(year: int, language: str, kind: str) -> str:
    """Return the name under which a public file is stored, and named in the letterhead."""
    return f"report-{year}-{language}.{kind}"


def download_name(found: ReportYear, audience: Audience, language: str, kind: str) -> str:
    """Return the name under which the adviser saves a file of a version: a draft says that it is one."""
    draft = "" if found.published else "-draft"
    return f"{found.year}-{audience}-{language}{draft}.{kind}"


def _publish(desk: OpenDesk, found: ReportYear, files: Mapping[str, bytes], today: date) -> None:
    name, body = _frozen_name(found.year), _Frozen.of(found, today).to_bytes()
    sealed = seal_record(RecordKind.COUNTS, name, 1, body, keyring=desk.keyring, letterhead=desk.letterhead)
    reports = tuple(
        Report(title=title, published=today, sha256=hashlib.sha256(file).digest())
        for title, file in files.items()
    )
    try:
        with desk.store.writing() as session:
            records.put(session, RecordKind.COUNTS, name, 1, sealed, goes_to_peers=True)
            for title, file in files.items():
                public_files.put(session, title, file)
            following: Letterhead = publish_letterhead.sign_next_letterhead(
                desk,
                session,
                issued=max(today, desk.letterhead.issued),
                reports=(*desk.letterhead.reports, *reports),
            )
    except RecordMovedError as why:
        raise ReportRefusedError(ReportRefusal.PUBLISHED) from why
    desk.saw_record(RecordKind.COUNTS, name, 1)
    publish_letterhead.use_letterhead(desk, following)
    desk.save()


def _keep_first_days(desk: OpenDesk, unread: Sequence[Address]) -> None:
    """Note the year in which unread mailboxes count: ended so, they would count in another as well."""
    for address in unread:
        with suppress(MailboxNotFoundError):
            count_for_report.save_counts(
                desk,
                address,
                count_for_report.open_for_counting(desk, conversation_of(desk, address).entries),
            )


def _files(desk: OpenDesk, found: ReportYear, audience: Audience, language: str) -> dict[str, bytes]:
    page = html.render_html(build_document(desk, found, audience, language))
    return {
        "html": page,
        "pdf": pdf.render_pdf(page),
        "csv": build_report_file(desk, found, audience, language, "csv"),
    }


# ---- counting --------------------------------------------------------------------------------------


class _Live:
    """The mailboxes of a year that are still there."""

    def __init__(self, desk: OpenDesk, year: int) -> None:
        self.unread: list[Address] = []
        self.unsound = 0
        self._desk = desk
        self._year = year

    def tallies(self) -> Iterator[CountedTally]:
        """Yield what each would leave in the ledger. Every mailbox is verified first."""
        with self._desk.store.reading() as session:
            days = entries.first_entry_days(session, Author.SOURCE)
        for address, day in days:
            if day.year == self._year:
                yield from self._of(Address(address))

    def _of(self, address: Address) -> Sequence[CountedTally]:
        try:
            conversation = conversation_of(self._desk, address)
        except MailboxNotFoundError:
            return ()  # ended since: it comes back as a tally
        casefile = self._casefile(address)
        opened = count_for_report.open_for_counting(self._desk, conversation.entries)
        known = count_for_report.add_facts(casefile, opened, self._desk.letterhead)
        self.unsound += bool(conversation.faults)
        if known.first_message is None or known.first_message.year != self._year:
            return ()  # nothing that is signed says so
        if _is_unread(conversation) and not casefile.is_spam:
            self.unread.append(address)
        return tallies_of(known, self._desk.letterhead, closed=known.first_message, is_read=True)

    def _casefile(self, address: Address) -> Casefile:
        try:
            return casefiles.read_casefile(self._desk, address)
        except RecordUnsoundError:
            self.unsound += 1
            return Casefile()


def _is_unread(conversation: Conversation) -> bool:
    return not any(entry.envelope.author is Author.DESK for entry in conversation.entries)


def _open_in_processes(desk: OpenDesk, rows: Sequence[int]) -> None:
    started = [start() for start in desk.index.starters]
    try:
        for number, (line, _) in enumerate(started):
            wanted = tally_reader.TallyRequest(
                store=str(desk.store.path),
                identities=tuple(identity.to_bytes() for identity in desk.keyring.identities),
                letterhead=desk.letterhead.to_bytes(),
                rows=tuple(rows[number :: len(started)]),
            )
            line.send_bytes(msgspec.msgpack.encode(wanted))
        portions = msgspec.msgpack.Decoder(tally_reader.TallyBatch)
        reading = [line for line, _ in started]
        while reading:
            ready = wait(reading, _PATIENCE_SECONDS)
            if not ready:
                raise ReportRefusedError(ReportRefusal.LEDGER)
            for line in (each for each in ready if isinstance(each, Connection)):
                portion = portions.decode(line.recv_bytes())
                _keep(desk, portion.opened)
                if portion.is_last:
                    reading.remove(line)
    except (EOFError, OSError) as why:
        raise ReportRefusedError(ReportRefusal.LEDGER) from why
    finally:
        for line, end in started:
            line.close()
            end()


def _keep(desk: OpenDesk, opened: Sequence[OpenedTally]) -> None:
    desk.tallies.update({each.row: each for each in opened})


def _lists(desk: OpenDesk) -> Lists:
    def lines(what: str) -> tuple[Line, ...]:
        offered: Sequence[Option] = desk.config.options(what)
        return tuple(Line(choice.key, choice.nl, choice.en) for choice in offered)

    return Lists(
        theme=lines("themes"), route=lines("routes"), outcome=lines("outcomes"), region=lines("regions")
    )


# ---- what is kept ----------------------------------------------------------------------------------


class _Kept(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What both share: unknown fields are refused."""


class _Words(_Kept, frozen=True, kw_only=True):
    nl: _Text
    en: _Text


class _Frozen(_Kept, frozen=True, kw_only=True):
    """Everything that both versions of a published report are made of."""

    version: Literal[1] = 1
    year: int
    published: date
    public_floor: int
    sg_floor: int
    mailboxes: dict[str, _Number]
    tables: dict[str, dict[str, _Number]]
    lists: Lists
    words: _Words

    @classmethod
    def of(cls, found: ReportYear, today: date) -> Self:
        return cls(
            year=found.year,
            published=today,
            public_floor=found.floors.public,
            sg_floor=found.floors.sg,
            mailboxes=dict(found.counts.mailboxes),
            tables={name: dict(table) for name, table in found.counts.tables.items()},
            lists=found.lists,
            words=_Words(nl=found.words.nl, en=found.words.en),
        )

    def to_bytes(self) -> bytes:
        return msgspec.json.encode(self)

    def to_year(self) -> ReportYear:
        return ReportYear(
            self.year,
            YearCounts(self.year, self.mailboxes, self.tables),
            Floors(self.public_floor, self.sg_floor),
            self.lists,
            ReportWords(self.words.nl, self.words.en),
            self.published,
            published=self.published,
        )


def _frozen(desk: OpenDesk, year: int) -> ReportYear | None:
    kept = desk_records.read_record(desk, RecordKind.COUNTS, _frozen_name(year))
    if kept is None:
        if year in published_years(desk):
            raise RecordUnsoundError  # the letterhead says that it was published: somebody took it away
        return None
    try:
        return msgspec.json.decode(kept.body, type=_Frozen).to_year()
    except msgspec.DecodeError as why:
        raise RecordUnsoundError from why


def _words(desk: OpenDesk, year: int) -> tuple[int, ReportWords]:
    kept = desk_records.read_record(desk, RecordKind.COUNTS, _words_name(year))
    if kept is None:
        return 0, ReportWords()
    try:
        words = msgspec.json.decode(kept.body, type=_Words)
    except msgspec.DecodeError as why:
        raise RecordUnsoundError from why
    return kept.revision, ReportWords(words.nl, words.en)


def _frozen_name(year: int) -> bytes:
    return b"report-%d" % year


def _words_name(year: int) -> bytes:
    return b"report-words-%d" % year
