"""Verification of received records, and merging of records and letterheads that two workstations changed.

A merge keeps every text of both versions. It is commutative and idempotent: the order of the two versions
does not matter, and merging a version again adds nothing. So a server that shows each workstation another
history makes the workstations merge more often, and no note is lost.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from operator import itemgetter
from typing import Any, Final, TypeVar

from crypto.canonical_json import decode_json, encode_json
from crypto.errors import ForgedError, MalformedError, TooLongError, UnreadableError
from journalist_app.desk.casefile import LABELS, PROSE_CHARS, Casefile, Evidence, EvidenceKind, Note, PassedOn
from journalist_app.services.records import reply_templates
from journalist_app.services.whole_desk import letterhead_merge
from journalist_app.services.whole_desk.report_records import ReportWords, frozen_digest
from protocol.errors import NewerVersionError
from protocol.identifiers import Digest
from protocol.keyring import Keyring
from protocol.letterhead import Letterhead, sign_letterhead
from protocol.sealed_record import (
    BODY_BYTES,
    OpenedRecord,
    RecordKind,
    open_record,
    record_digest,
    seal_record,
)
from store.records import Record
from store.sync_findings import FindingKind
from sync.endpoint import RecordFaultError

_Part = TypeVar("_Part")
_CHOICES: Final = (
    ("theme", "thema"),
    ("route", "route"),
    ("region", "regio"),
    ("outcome", "uitkomst"),
    ("reminder", "herinnering"),
)
_WORDS_CHARS: Final = 20_000  # limit of the adviser's text in a report, as in `report.document`
# Attack: the thief of a retired workstation signs the highest revision that exists, so that no one can ever
# write this record again.
_LARGEST_OF_RETIRED: Final = 2**32
_WORDS_NAME: Final = b"report-words-"
_BETWEEN: Final = "\n\n——\n\n"  # between the texts of two workstations in one field
_MERGED: Final = "——"  # in a note, instead of a workstation's name

# Each sentence has both languages, because a casefile's note is stored and read by every adviser.
_DIFFERENT: Final = "Een ander werkstation koos hier: / Another workstation chose here:"
_LABEL: Final = "Dit label paste er niet meer bij: / There was no room for this label:"


@dataclass(frozen=True, slots=True)
class RecordMerger:
    """Merger of records and letterheads that two workstations changed. A sync uses this class.

    A letterhead is the desk's signed public statement. `letterhead` returns the newest verified letterhead.
    """

    keyring: Keyring = field(repr=False)
    letterhead: Callable[[], Letterhead]
    today: Callable[[], date]

    def records(self, kind: str, name: bytes, ours: bytes | None, theirs: bytes) -> Record | None:
        """Return the record that replaces ours: the received record, or both records merged.

        If our record already contains the received changes, the result is None. A retired
        workstation's record adds only notes, labels and a handover text, and only to a casefile.

        Raises:
            RecordFaultError: the received record is not applied.
        """
        # Attack: a thief of a retired workstation's keys signs a record that deletes or changes our notes, or
        # that leaves no room for new notes. So the items of such a record fill at most half of a record.
        letterhead = self.letterhead()
        is_frozen = kind == RecordKind.COUNTS and not name.startswith(_WORDS_NAME)
        if is_frozen and frozen_digest(letterhead, name) != record_digest(theirs):
            raise RecordFaultError(FindingKind.FORGED_RECORD)
        received = self._open(kind, name, theirs, letterhead)
        in_use = letterhead.strands_in_use(self.today())
        is_retired = received.strand not in in_use
        if is_retired and received.revision > _LARGEST_OF_RETIRED:
            raise RecordFaultError(FindingKind.FORGED_RECORD)
        stored = None
        if ours is not None and not is_frozen:
            try:
                stored = self._open(kind, name, ours, letterhead)
            except RecordFaultError as why:
                if why.finding is None:
                    raise
        if ours is not None and stored is not None and record_digest(theirs) in stored.past:
            return None
        if ours is None or stored is None or (record_digest(ours) in received.past and not is_retired):
            if is_retired and len(received.body) > BODY_BYTES // 2:
                raise RecordFaultError(FindingKind.LONG_RECORD)
            return Record(kind, name, received.revision, theirs, not received.body)
        try:
            first, second = sorted((stored, received), key=lambda each: each.strand not in in_use)
            merge = merge_bodies if second.strand in in_use else _merge_retired
            body = merge(RecordKind(kind), name, first.body, second.body, self.today())
            both = (ours, stored), (theirs, received)
            sealed = seal_record(
                RecordKind(kind), name, body, *both, keyring=self.keyring, letterhead=letterhead
            )
        except (TooLongError, MalformedError) as why:
            raise RecordFaultError(FindingKind.LONG_RECORD) from why
        return Record(kind, name, max(stored.revision, received.revision) + 1, sealed, not body)

    def past(self, kind: str, name: bytes, ours: bytes) -> tuple[tuple[Digest, ...], bool] | None:
        """Return the digests of the revisions that our record replaced, and whether our record is dropped.

        A dropped record has an empty body. If this workstation cannot decrypt the record, the result is None.
        """
        try:
            opened = self._open(kind, name, ours, self.letterhead())
        except RecordFaultError:
            return None
        return opened.past, not opened.body

    def letterheads(self, base: bytes, ours: bytes, theirs: bytes) -> tuple[int, bytes, bytes]:
        """Merge two workstations' letterheads, and return the serial, body and signature of the result.

        A letterhead is the desk's signed public statement. `base` is the last one that both workstations had.
        """
        # If the merged calendar has no working day, theirs is used, with our workstations added.
        then, mine, other = (Letterhead.from_bytes(each) for each in (base, ours, theirs))
        try:
            one = letterhead_merge.merge_letterheads(then, mine, other)
            return (one.serial, *sign_letterhead(one, self.keyring.desk_key))
        except MalformedError:
            one = letterhead_merge.merge_letterheads(mine, mine, other)
            return (one.serial, *sign_letterhead(one, self.keyring.desk_key))

    def _open(self, kind: str, name: bytes, sealed: bytes, letterhead: Letterhead) -> OpenedRecord:
        if kind not in set(RecordKind):
            raise RecordFaultError  # a later version of the program wrote it
        try:
            found = open_record(sealed, RecordKind(kind), name, self.keyring, letterhead.strand_keys)
        except NewerVersionError as why:
            raise RecordFaultError from why
        except UnreadableError as why:
            has_all = {epoch.number for epoch in letterhead.epochs} <= self.keyring.epochs.keys()
            raise RecordFaultError(FindingKind.FORGED_RECORD if has_all else None) from why
        except (MalformedError, ForgedError) as why:
            raise RecordFaultError(FindingKind.FORGED_RECORD) from why
        try:
            merge_bodies(RecordKind(kind), name, found.body, found.body, self.today())
        except MalformedError as why:  # a workstation of the desk wrote it, with a later version
            raise RecordFaultError from why
        return found


def merge_bodies(kind: RecordKind, name: bytes, one: bytes, other: bytes, today: date) -> bytes:
    """Merge the decrypted contents of two revisions of a record of the desk.

    If one body is empty, the other body is kept. Two bodies about a published report are not merged: the one
    that was published first is kept.

    Raises:
        MalformedError, TooLongError: a body cannot be decoded, or the merged record would be too long.
    """
    if not (one and other):
        return one or other
    merged = _merge_decoded(kind, name, one, other, today)
    return one if one == other else merged


def _merge_retired(kind: RecordKind, name: bytes, ours: bytes, theirs: bytes, today: date) -> bytes:
    """Add the texts in a retired workstation's casefile to our casefile. Any other record stays as it is.

    `theirs` is the body of the retired workstation's record.

    Raises:
        TooLongError: the merged body is longer than ours, and takes more than half of the space in a record.
        MalformedError: a body cannot be decoded.
    """
    # Attack: someone with the workstation's key changes a field of our casefile or a template, or adds
    # evidence and a delivery before the desk does, so that the genuine ones would count as known.
    if kind is not RecordKind.CASEFILE or not (ours and theirs):
        return ours
    other = Casefile.from_bytes(theirs)
    added = Casefile(notes=other.notes, labels=other.labels, handover=other.handover)
    body = merge_bodies(kind, name, ours, added.to_bytes(), today)
    if len(body) > max(BODY_BYTES // 2, len(ours)):
        raise TooLongError
    return body


def _merge_decoded(kind: RecordKind, name: bytes, one: bytes, other: bytes, today: date) -> bytes:
    match kind:
        case RecordKind.CASEFILE:
            casefiles = Casefile.from_bytes(one), Casefile.from_bytes(other)
            return merge_casefiles(*casefiles, today).to_bytes()
        case RecordKind.TEMPLATES:
            mine, theirs = map(reply_templates.templates_from_bytes, (one, other))
            return reply_templates.templates_to_bytes(_union(mine, theirs, encode_json))
        case RecordKind.COUNTS if name.startswith(_WORDS_NAME):
            ours, others = (decode_json(each, ReportWords) for each in (one, other))
            languages = sorted({*ours, *others})
            words = {code: _merge_texts(ours.get(code, ""), others.get(code, "")) for code in languages}
            if any(len(text) > _WORDS_CHARS for text in words.values()):
                raise TooLongError
            return encode_json(words)
        case _:
            return min(one, other)


def merge_casefiles(one: Casefile, other: Casefile, today: date) -> Casefile:
    """Merge two versions of the desk's notes about a mailbox.

    If the versions have different values for a field, such as the theme, the value that sorts first stays. A
    new note names the other value.
    """
    chosen: dict[str, Any] = {}
    asides: list[str] = []
    for name, dutch in _CHOICES:
        values = sorted({getattr(one, name), getattr(other, name)} - {"", None})
        chosen[name] = values[0] if values else getattr(one, name)
        asides += [f"{_DIFFERENT}\n{dutch} / {name}: {value}" for value in values[1:]]
    handover = _merge_texts(one.handover, other.handover)
    if len(handover) > PROSE_CHARS:
        handover, too_much = sorted((one.handover, other.handover))
        asides.append(too_much)
    labels = sorted({*one.labels, *other.labels})
    asides += [f"{_LABEL} {label}" for label in labels[LABELS:]]
    notes = _merge_notes(one.notes, other.notes)
    known = {note.text for note in notes if note.strand == _MERGED}
    return Casefile(
        **chosen,
        notes=(*notes, *(Note(day=today, strand=_MERGED, text=text) for text in asides if text not in known)),
        labels=tuple(labels[:LABELS]),
        handover=handover,
        is_spam=one.is_spam or other.is_spam,
        evidence=_merge_evidence(one.evidence, other.evidence),
        keep_until=max(filter(None, (one.keep_until, other.keep_until)), default=None),
        first_message=min(filter(None, (one.first_message, other.first_message)), default=None),
        first_answer=min(filter(None, (one.first_answer, other.first_answer)), default=None),
        came_back=one.came_back or other.came_back,
        passed_on=_merge_passed_on(one.passed_on, other.passed_on),
    )


def _union(one: Sequence[_Part], other: Sequence[_Part], order: Callable[[_Part], Any]) -> tuple[_Part, ...]:
    """Merge two sequences, so that the result has each item once.

    If one sequence has all items, keep its order. Otherwise sort the items by `order`.
    """
    both = {*one, *other}
    whole = [tuple(each) for each in (one, other) if {*each} == both]
    return min(whole, key=encode_json) if whole else tuple(sorted(both, key=order))


def _merge_notes(one: Sequence[Note], other: Sequence[Note]) -> tuple[Note, ...]:
    places = sorted([*enumerate(one), *enumerate(other)], key=itemgetter(0), reverse=True)
    place = {note: at for at, note in places}
    return _union(one, other, lambda note: (note.day, place[note], note.strand, note.text))


def _merge_texts(one: str, other: str) -> str:
    if one in other or other in one:
        return max(one, other, key=len)
    return _BETWEEN.join(sorted({*one.split(_BETWEEN), *other.split(_BETWEEN)}))


def _merge_evidence(one: Sequence[Evidence], other: Sequence[Evidence]) -> tuple[Evidence, ...]:
    found = {
        each.entry: each
        for each in sorted((*one, *other), key=lambda each: (each.signature, encode_json(each)))
    }
    return tuple(
        sorted(found.values(), key=lambda each: (each.day, each.kind is EvidenceKind.ANSWER, each.entry))
    )


def _merge_passed_on(one: Sequence[PassedOn], other: Sequence[PassedOn]) -> tuple[PassedOn, ...]:
    """Merge two lists of proposals that were passed on, so that the result has each proposal once.

    If a proposal is in both lists, the earlier days are kept. A proposal counts as passed on with consent
    only if no list says otherwise.
    """
    found: dict[Digest, PassedOn] = {}
    for each in (*one, *other):
        known = found.get(each.proposal, each)
        found[each.proposal] = PassedOn(
            recipient=min(each.recipient, known.recipient),
            with_consent=each.with_consent and known.with_consent,
            made=min(each.made, known.made),
            proposal=each.proposal,
            delivered=min(filter(None, (each.delivered, known.delivered)), default=None),
            begun=max(filter(None, (each.begun, known.begun)), default=None),
        )
    return tuple(sorted(found.values(), key=lambda each: (each.made, each.proposal)))
