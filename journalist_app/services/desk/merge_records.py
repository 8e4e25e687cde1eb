"""Merging of encrypted records, and of letterheads, that two workstations changed at the same time.

Neither workstation knew of the other's change. A letterhead is the desk's signed public statement.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from typing import Final

import msgspec

from crypto.errors import ForgedError, MalformedError, TooLongError, UnreadableError
from journalist_app.services.records import reply_templates
from journalist_app.services.records.reply_templates import ReplyTemplate
from protocol import letterhead_merge
from protocol.casefile import LABELS, Casefile, Evidence, Note, PassedOn
from protocol.identifiers import Digest
from protocol.keyring import Keyring
from protocol.letterhead import Letterhead, sign_letterhead
from protocol.sealed_record import RecordKind, open_record, seal_record

_CHOICES: Final = (("theme", "thema"), ("route", "route"), ("region", "regio"), ("outcome", "uitkomst"))
_PROSE_CHARS: Final = 20_000  # limit of a note and of the handover text, as in `protocol.casefile`
_WORDS_CHARS: Final = 20_000  # limit of the adviser's text in a report, as in `report.document`

# Each sentence has both languages, because a casefile's note is stored and read by every adviser.
_DIFFERENT: Final = "Twee werkstations kozen hier verschillend. / Two workstations chose differently here."
_HANDOVER: Final = "Dit stond ook bij de overdracht. / This was in the handover too."
_LABELS: Final = "Deze labels pasten er niet meer bij. / There was no room for these labels."
_LEFT_OUT: Final = "Oudste notities die er niet meer bij pasten: / Oldest notes that did not fit: "


@dataclass(frozen=True, slots=True)
class _Part:
    """Verified record from one of the two workstations whose records are merged, with its decoded content."""

    workstation: str
    revision: int
    body: bytes = field(repr=False)
    said: object = field(repr=False)  # a Casefile, templates, the texts of a report, or None


@dataclass(frozen=True, slots=True)
class RecordMerger:
    """Merger that a sync calls when two workstations changed the same record or the desk's letterhead.

    Implements `sync.endpoint.Merger`. `letterhead` returns the newest verified letterhead (the desk's signed
    public statement).
    """

    keyring: Keyring = field(repr=False)
    letterhead: Callable[[], Letterhead]
    today: Callable[[], date]

    def records(self, kind: str, name: bytes, ours: bytes, theirs: bytes, revision: int) -> bytes:
        """Merge our and the other workstation's version of a record into one encrypted record.

        `revision` of the merged record is one more than the higher revision of the two versions. A version is
        not used if it cannot be decrypted, is not signed by a workstation of this desk, or has an impossible
        revision. Then the result has the content of the other version. If neither version can be used, the
        result is `theirs`, and the adviser's page reports that the record fails verification.
        """
        letterhead = self.letterhead()
        if kind not in set(RecordKind):
            return theirs
        mine = _open(RecordKind(kind), name, ours, self.keyring, letterhead)
        other = _open(RecordKind(kind), name, theirs, self.keyring, letterhead)
        if mine and other and max(mine.revision, other.revision) != revision - 1:
            other = None  # `revision` is from unsigned columns, and no signed revision fits it
        if mine and other:
            body = _both(RecordKind(kind), mine, other, self.today())
        elif found := mine or other:
            body = found.body
        else:
            return theirs
        return seal_record(
            RecordKind(kind), name, revision, body, keyring=self.keyring, letterhead=letterhead
        )

    def letterheads(self, base: bytes, ours: bytes, theirs: bytes) -> tuple[int, bytes, bytes]:
        """Merge our letterhead with the other workstation's. Return the serial, body and signature.

        A letterhead is the desk's signed public statement. `base` is the last letterhead that both
        workstations had, before each workstation changed it. If the merged calendar would have no working day
        left, the result is the other workstation's letterhead, with our workstations added.
        """
        then, mine, other = (Letterhead.from_bytes(each) for each in (base, ours, theirs))
        try:
            one = letterhead_merge.merge_letterheads(then, mine, other)
            return (one.serial, *sign_letterhead(one, self.keyring.desk_key))
        except MalformedError:
            one = letterhead_merge.merge_letterheads(mine, mine, other)
            return (one.serial, *sign_letterhead(one, self.keyring.desk_key))


def _open(
    kind: RecordKind, name: bytes, sealed: bytes, keyring: Keyring, letterhead: Letterhead
) -> _Part | None:
    try:
        found = open_record(sealed, kind, name, keyring, letterhead.strand_keys)
        said = _read(kind, name, found.body)
    except (UnreadableError, MalformedError, ForgedError):
        return None
    workstation = next(each.name for each in letterhead.strands if each.id == found.strand)
    return _Part(workstation, found.revision, found.body, said)


def _read(kind: RecordKind, name: bytes, body: bytes) -> object:
    match kind:
        case RecordKind.CASEFILE:
            return Casefile.from_bytes(body)
        case RecordKind.TEMPLATES:
            return reply_templates.templates_from_bytes(body)
        case RecordKind.COUNTS if name.startswith(b"report-words-"):
            return _words_of(body)
        case _:
            return None


def _both(kind: RecordKind, ours: _Part, theirs: _Part, today: date) -> bytes:
    """Merge the content of two records of the same kind, and return the body of the merged record.

    Some kinds cannot be merged, such as the published counts of a year. For these kinds, the result is the
    other workstation's body.
    """
    match ours.said, theirs.said:
        case Casefile() as mine, Casefile() as other:
            one = merge_casefiles(mine, other, (ours.workstation, theirs.workstation), today)
            return _fitting(one, theirs.body)
        case tuple() as mine, tuple() as other if kind is RecordKind.TEMPLATES:
            return reply_templates.templates_to_bytes(_templates(mine, other, ours.workstation))
        case dict() as mine, dict() as other:
            return msgspec.json.encode(
                {
                    language: _texts(
                        mine[language], said, (ours.workstation, theirs.workstation), _WORDS_CHARS
                    )
                    or said
                    for language, said in other.items()
                }
            )
        case _:
            return theirs.body


# ---- casefiles -------------------------------------------------------------------------------------


def merge_casefiles(ours: Casefile, theirs: Casefile, names: tuple[str, str], today: date) -> Casefile:
    """Merge two versions of a casefile. `names` has our and the other workstation's name.

    For a field with one value, such as the theme, the other workstation's value stays. If our value differs,
    a new note in the casefile contains our value.
    """
    asides: list[str] = []
    differing = [
        f"{dutch} / {field_name}: {getattr(ours, field_name)} → {getattr(theirs, field_name)}"
        for field_name, dutch in (*_CHOICES, ("reminder", "herinnering"))
        if _differ(getattr(ours, field_name), getattr(theirs, field_name))
    ]
    if differing:
        asides.append("\n".join((_DIFFERENT, f"{names[0]} → {names[1]}", *differing)))
    handover = _texts(ours.handover, theirs.handover, names, _PROSE_CHARS)
    if handover is None:
        asides += [_HANDOVER, ours.handover]
        handover = theirs.handover
    labels = tuple(sorted({*ours.labels, *theirs.labels}))
    if len(labels) > LABELS:
        asides.append(f"{_LABELS}\n{', '.join(labels[LABELS:])}")
    notes = sorted(dict.fromkeys((*theirs.notes, *ours.notes)), key=lambda note: note.day)
    notes += [Note(day=today, strand=names[0], text=text[:_PROSE_CHARS]) for text in asides]
    return Casefile(
        notes=tuple(notes),
        labels=labels[:LABELS],
        theme=theirs.theme or ours.theme,
        route=theirs.route or ours.route,
        region=theirs.region or ours.region,
        outcome=theirs.outcome or ours.outcome,
        reminder=theirs.reminder or ours.reminder,
        handover=handover,
        is_spam=ours.is_spam or theirs.is_spam,
        evidence=_evidence(ours.evidence, theirs.evidence),
        keep_until=_last(ours.keep_until, theirs.keep_until),
        first_message=_first(ours.first_message, theirs.first_message),
        first_answer=_first(ours.first_answer, theirs.first_answer),
        came_back=ours.came_back or theirs.came_back,
        passed_on=_passed_on(ours.passed_on, theirs.passed_on),
        tally_seed=min(filter(None, (ours.tally_seed, theirs.tally_seed)), default=b""),
    )


def _fitting(casefile: Casefile, otherwise: bytes) -> bytes:
    """Encode a casefile as a record's body. If the body is too long, leave out the casefile's oldest notes.

    Evidence that a source agreed to pass on a proposal is never left out. If the evidence alone is too long,
    this function returns the body `otherwise`. No evidence is lost, because the mailbox contains the evidence
    too. If this function raised an exception instead, every later sync would stop at this casefile.
    """
    last = casefile.notes[-1] if casefile.notes else Note(day=date.min, strand="", text="")
    for left_out in range(len(casefile.notes) + 1):
        said = Note(day=last.day, strand=last.strand, text=f"{_LEFT_OUT}{left_out}")
        notes = (*casefile.notes[left_out:], said) if left_out else casefile.notes
        with suppress(TooLongError):
            return msgspec.structs.replace(casefile, notes=notes).to_bytes()
    return otherwise


def _differ(ours: object, theirs: object) -> bool:
    return bool(ours and theirs and ours != theirs)


def _texts(ours: str, theirs: str, names: tuple[str, str], at_most: int) -> str | None:
    """Merge two texts, each under its workstation's name.

    If one text contains the other, return only the containing text. Return None if the merged text is longer
    than `at_most` characters.
    """
    if ours in theirs:
        return theirs
    if theirs in ours:
        return ours
    both = f"— {names[1]}:\n{theirs}\n\n— {names[0]}:\n{ours}"
    return both if len(both) <= at_most else None


def _evidence(ours: Iterable[Evidence], theirs: Iterable[Evidence]) -> tuple[Evidence, ...]:
    found: dict[Digest, Evidence] = {}
    for each in (*theirs, *ours):
        found.setdefault(each.entry, each)
    return tuple(found.values())


def _passed_on(ours: Iterable[PassedOn], theirs: Iterable[PassedOn]) -> tuple[PassedOn, ...]:
    """Merge two lists of what was passed on, so that each proposal is listed once.

    The earlier day counts. A proposal counts as passed on with consent only if both lists say so.
    """
    found = {each.proposal: each for each in theirs}
    for each in ours:
        other = found.get(each.proposal, each)
        found[each.proposal] = msgspec.structs.replace(
            other,
            with_consent=each.with_consent and other.with_consent,
            made=min(each.made, other.made),
            delivered=_first(each.delivered, other.delivered),
        )
    return tuple(found.values())


def _first(ours: date | None, theirs: date | None) -> date | None:
    return min((day for day in (ours, theirs) if day is not None), default=None)


def _last(ours: date | None, theirs: date | None) -> date | None:
    return max((day for day in (ours, theirs) if day is not None), default=None)


# ---- reply templates, and the texts of a report -----------------------------------------------------


def _templates(
    ours: tuple[ReplyTemplate, ...], theirs: tuple[ReplyTemplate, ...], workstation: str
) -> tuple[ReplyTemplate, ...]:
    """Merge two lists of reply templates.

    The result begins with the other workstation's templates. After them come those of our templates that the
    other workstation lacks.

    If the other list has a different template of the same name, our template's name is extended with our
    workstation's name.
    """
    found = list(theirs)
    taken = {(each.language, each.name) for each in theirs}
    for each in ours:
        if each in found:
            continue
        name = each.name
        if (each.language, name) in taken:
            ending = f" ({workstation[: reply_templates.NAME_CHARS // 2]})"
            name = name[: reply_templates.NAME_CHARS - len(ending)] + ending
        found.append(msgspec.structs.replace(each, name=name))
    return tuple(found[: reply_templates.TEMPLATES_MERGED])


def _words_of(body: bytes) -> dict[str, str]:
    try:
        words = msgspec.json.decode(body, type=dict[str, str])
    except (msgspec.DecodeError, UnicodeDecodeError) as why:
        raise MalformedError from why
    if list(words) != ["nl", "en"]:
        raise MalformedError
    return words
