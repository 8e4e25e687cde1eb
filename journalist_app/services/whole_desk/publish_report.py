"""Saving the adviser's texts for a yearly report, and publishing the report once."""

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date

import msgspec

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.desk.verification import conversation_of
from journalist_app.errors import ReportRefusal, ReportRefusedError
from journalist_app.services.mailbox import count_for_report
from journalist_app.services.records import desk_records
from journalist_app.services.whole_desk import publish_letterhead, report_records
from journalist_app.services.whole_desk.report_records import FrozenReport, ReportWords, ReportYear
from journalist_app.services.whole_desk.yearly_report import (
    FILE_KINDS,
    build_report_file,
    read_report_year,
    report_languages,
)
from protocol.identifiers import Address
from protocol.letterhead import Report
from protocol.sealed_record import RecordKind
from report.disclosure import Audience
from report.document import require_plain
from report.errors import WordsError
from store import public_files
from store.errors import RecordMovedError


def save_report_words(desk: OpenDesk, year: int, words: ReportWords) -> None:
    """Encrypt and save the adviser's texts for a yearly report that is not published yet.

    Raises:
        ReportRefusedError: a text is too long or has control characters, or the report was already published.
        RecordUnsoundError: the stored texts are not the ones that this desk wrote last.
        RecordMovedError: someone else saved texts at the same time, so these texts were not saved.
    """
    try:
        for text in words.values():
            require_plain(text)
    except WordsError as why:
        raise ReportRefusedError(ReportRefusal.TEXT) from why
    if report_records.read_frozen_year(desk, year) is not None:
        raise ReportRefusedError(ReportRefusal.PUBLISHED)
    revision, before = report_records.read_words_record(desk, year)
    if words != before:
        name, body = report_records.words_record_name(year), msgspec.json.encode(words)
        desk_records.write_record(desk, RecordKind.COUNTS, name, revision + 1, body)


def publish_report(desk: OpenDesk, year: int, digest: str, today: date) -> None:
    """Publish a year's report, either completely or not at all. After that, its counts no longer change.

    `digest` is the `ReportYear.digest` of the report that the adviser looked at.

    Raises:
        ReportRefusedError: the year is not over, the report was published or has changed, or its counts
            cannot be read.
        PdfToolsMissingError: this machine cannot make a PDF.
        LetterheadMovedError: another workstation published a letterhead in the meantime, so the report was
            not published.
        RecordUnsoundError: a record fails verification.
        StoreError: the store cannot be read or written.
    """
    if year >= today.year:
        raise ReportRefusedError(ReportRefusal.NOT_OVER)
    found = read_report_year(desk, year, today)
    if found.published is not None:
        raise ReportRefusedError(ReportRefusal.PUBLISHED)
    if found.digest != digest:
        raise ReportRefusedError(ReportRefusal.CHANGED)
    frozen = replace(found, published=today)
    files: dict[str, bytes] = {}
    for language, kind in itertools.product(report_languages(desk), FILE_KINDS):
        file = build_report_file(desk, frozen, Audience.PUBLIC, language, kind)
        files[report_records.public_file_name(year, language, kind)] = file
    _keep_first_days(desk, found.unread)
    _publish(desk, found, files, today)


def _publish(desk: OpenDesk, found: ReportYear, files: Mapping[str, bytes], today: date) -> None:
    name = report_records.frozen_record_name(found.year)
    body = msgspec.json.encode(FrozenReport.of(found, today))
    try:
        with desk.store.writing() as session:
            frozen = desk_records.put_record(desk, session, RecordKind.COUNTS, name, 1, body)
            for title, file in files.items():
                public_files.put(session, title, file)
            signed = {**files, report_records.frozen_title(name): frozen}
            reports = tuple(
                Report(title=title, published=today, sha256=hashlib.sha256(each).digest())
                for title, each in signed.items()
            )
            following = publish_letterhead.sign_next_letterhead(
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
    """Save the day of the first message of each unread mailbox, in the desk's notes about the mailbox."""
    # Otherwise a mailbox that its source ends in a later year would be counted again in that year.
    desk.each_mailbox(
        "report", unread, lambda each: count_for_report.save_counts(desk, conversation_of(desk, each))
    )
