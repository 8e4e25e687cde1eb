"""Yearly report: counts the mailboxes of a year, and builds the report's files.

There are two versions, for the public and for the Secretary-General (SG), in each language of the desk.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date
from itertools import chain
from typing import Final

from journalist_app.desk.casefile import Casefile, tallies_of
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.desk.verification import conversation_of
from journalist_app.errors import MailboxNotFoundError, RecordUnsoundError
from journalist_app.services.closing.ended_mailboxes import list_unacknowledged
from journalist_app.services.mailbox import count_for_report
from journalist_app.services.records import casefiles
from journalist_app.services.whole_desk import report_records
from journalist_app.services.whole_desk.report_ledger import read_ledger
from journalist_app.services.whole_desk.report_records import YEARS, ReportYear
from protocol.envelope import Author
from protocol.identifiers import Address
from protocol.ledger import Dimension, Tally, counted_tallies, tally_seed
from report import html, pdf, table_csv
from report.counts import Facts, count_year, years_with_mailboxes
from report.disclosure import Audience
from report.document import Document, Imprint, ReportLanguage, compose_report
from report.tables import Lists, shapes
from store import entries
from store.database.one_by_one import work_on_each
from web.languages import WRITTEN_IN, closest, languages_with, read_language, read_words

FILE_KINDS: Final = ("html", "pdf", "csv")


def years_to_report(desk: OpenDesk, today: date) -> tuple[int, ...]:
    """Return the years for which the desk can publish a report, newest first.

    These are last year and all years with mailboxes, except the years with a published report.

    Raises:
        ReportRefusedError: a process that should decrypt the counts of deleted mailboxes has ended or did
            not answer.
    """
    with desk.store.reading() as session:
        live = {day.year for _, day in entries.first_entry_days(session, Author.SOURCE)}
    counted = years_with_mailboxes(_facts(*_counted(*read_ledger(desk))))
    found = {today.year - 1, *live, *counted} - set(report_records.published_years(desk))
    return tuple(sorted((year for year in found if year in YEARS and year <= today.year), reverse=True))


def _counted(
    in_use: Iterable[Tally], retired: Iterable[Tally]
) -> tuple[tuple[Tally, ...], tuple[Tally, ...]]:
    """Return the tallies (anonymous facts) to count, of workstations in use and of retired workstations.

    If a workstation in use and a retired workstation signed tallies with the same id, the tally of the
    retired one is left out.
    """
    # Attack: someone with a retired workstation's key signs a mailbox's tallies again, with other facts.
    first = counted_tallies(in_use)
    ids = {each.id for each in first}
    return first, counted_tallies(each for each in retired if each.id not in ids)


def _facts(*tallies: Iterable[Tally]) -> Facts:
    return Counter((each.year, each.dimension, each.value) for each in chain(*tallies))


def read_report_year(desk: OpenDesk, year: int, today: date) -> ReportYear:
    """Return a year's report: as it was published, or counted now if it was not published yet.

    Raises:
        RecordUnsoundError: the published counts or the adviser's texts fail verification.
        ReportRefusedError: a process that should decrypt the counts of deleted mailboxes has ended or did
            not answer.
    """
    frozen = report_records.read_frozen_year(desk, year)
    if frozen is not None:
        return frozen
    live = _ExistingMailboxes(desk, year)
    in_use, retired = read_ledger(desk)
    in_use, retired = _counted(chain(in_use, live.tallies()), retired)
    facts = _facts(in_use, retired)
    lists = Lists(**{name: desk.config.options(f"{name}s") for name in casefiles.CHOICES})
    counts = count_year(facts, year, shapes(lists), Dimension.NOTHING)
    return ReportYear(
        year,
        counts,
        desk.config.floors,
        lists,
        report_records.read_words_record(desk, year)[1],
        today,
        published=None,
        unread=tuple(live.unread),
        unsound=live.unsound,
        ended=len(list_unacknowledged(desk, today)),
        by_retired=sum((each.year, each.dimension) == (year, Dimension.MAILBOX) for each in retired),
    )


def report_languages(desk: OpenDesk) -> tuple[str, ...]:
    """Return the desk's languages in which the program can write a report."""
    return languages_with("report", desk.letterhead.desk_name)


def build_report_file(
    desk: OpenDesk, found: ReportYear, audience: Audience, language: str, kind: str
) -> bytes:
    """Build one file of a report: HTML, PDF or CSV, for one audience.

    An unpublished report says "draft", and so does each report of a trial desk.

    Raises:
        PdfToolsMissingError: this machine cannot make a PDF.
    """
    document = build_document(desk, found, audience, language)
    if kind == "csv":
        return table_csv.render_csv(document, found.year)
    page = html.render_html(document)
    return page if kind == "html" else pdf.render_pdf(page)


def build_document(desk: OpenDesk, found: ReportYear, audience: Audience, language: str) -> Document:
    """Return the content of a report for one audience in one language, without a file format."""
    names = desk.letterhead.desk_name
    own_language = language if found.words.get(language) else WRITTEN_IN
    imprint = Imprint(
        names[closest(language, names)],
        found.day,
        found.words.get(own_language, ""),
        own_language,
        is_draft=found.published is None or desk.letterhead.is_trial,
    )
    said = ReportLanguage(
        language, read_language(language).locale, read_words(language, "report"), fallback=WRITTEN_IN
    )
    return compose_report(found.version(audience), found.lists, said, imprint)


def download_name(found: ReportYear, audience: Audience, language: str, kind: str) -> str:
    """Return the name under which the adviser saves a file of a report. A draft's name says "draft"."""
    draft = "" if found.published else "-draft"
    return f"{found.year}-{audience}-{language}{draft}.{kind}"


class _ExistingMailboxes:
    def __init__(self, desk: OpenDesk, year: int) -> None:
        self.unread: list[Address] = []
        self.unsound = 0
        self._desk = desk
        self._year = year

    def tallies(self) -> Sequence[Tally]:
        with self._desk.store.reading() as session:
            days = entries.first_entry_days(session, Author.SOURCE)
        first_written = [Address(address) for address, day in days if day.year == self._year]
        found, failed = work_on_each(first_written, self._of)
        self.unsound += len(failed)
        return list(chain.from_iterable(found))

    def _of(self, address: Address) -> Sequence[Tally]:
        try:
            conversation = conversation_of(self._desk, address)
        except MailboxNotFoundError:
            return ()  # the mailbox ended in the meantime, and its tallies are in the ledger
        casefile = self._casefile(address)
        known = count_for_report.add_facts(self._desk, casefile, conversation)
        self.unsound += bool(conversation.faults)
        first = known.first_message
        if first is None or first.year != self._year or not conversation.stored.has_sound_keys:
            return ()  # the signed entries name another year, or the mailbox counts only as faulty
        is_read = any(entry.envelope.author is Author.DESK for entry in conversation.entries)
        if not is_read and not casefile.is_spam:
            self.unread.append(address)
        # Newer than tallies with the same ids that someone copied into the ledger.
        revision = self._desk.casefiles.get(address, (0, casefile))[0] + 1
        return tallies_of(
            known,
            self._desk.letterhead,
            seed=tally_seed(self._desk.keyring.desk_key.seed, conversation.mailbox.verify_key),
            revision=revision,
            closed=first,
            is_read=True,
        )

    def _casefile(self, address: Address) -> Casefile:
        try:
            return casefiles.read_casefile(self._desk, address)
        except RecordUnsoundError:
            self.unsound += 1
            return Casefile()
