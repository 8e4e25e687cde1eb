"""Casefiles: the desk's notes about a mailbox, which no source sees."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final, cast

import msgspec
from sqlalchemy.orm import Session

from crypto.errors import MalformedError, TooLongError
from journalist_app.desk.casefile import Casefile, Note, tallies_of
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import CasefileRefusal, CasefileRefusedError, RecordUnsoundError
from journalist_app.services.records import desk_records
from protocol.identifiers import ADDRESS_BYTES, Address
from protocol.ledger import Tally, seal_tallies, tally_seed
from protocol.mailbox_keys import checked_verify_key
from protocol.sealed_record import RecordKind
from store import mailbox_tallies, mailboxes, records
from store.mailboxes import StoredMailbox
from web.dates import read_day
from web.normal_text import name_form, trim

LABEL_CHARS: Final = 40
CHOICES: Final = ("theme", "route", "region", "outcome")  # fields with an option list in the settings


@dataclass(frozen=True, slots=True)
class CasefilePanel:
    """The desk's notes about a mailbox as a page shows them.

    If the notes failed verification, the form is empty. `shown` is the digest of the form's values, to detect
    a change by someone else.
    """

    casefile: Casefile
    fields: dict[str, str] = field(repr=False)  # values of the form
    shown: str
    is_unsound: bool
    is_due: bool  # the reminder's day has come


def read_casefile(desk: OpenDesk, address: Address) -> Casefile:
    """Return the desk's notes about a mailbox, or empty notes if nothing was written.

    Raises:
        RecordUnsoundError: the stored casefile is not the one that this desk wrote last.
    """
    return _read(desk, address)[1]


def update_casefile(desk: OpenDesk, address: Address, change: Callable[[Casefile], Casefile]) -> None:
    """Replace the desk's notes about a mailbox by the result of the function `change`.

    `change` must not write to the store, because reading and writing are one transaction. If the mailbox is
    closed, its anonymous facts for the yearly report are replaced too.

    Raises:
        RecordUnsoundError: the stored casefile is not the one that this desk wrote last.
        CasefileRefusedError: the changed casefile is too long.
    """
    with desk.store.writing() as session:
        revision, before = _read(desk, address)
        casefile = change(before)
        try:
            mailbox = mailboxes.find(session, address)
            if casefile.keep_until is not None and mailbox is not None:
                tallies = tallies_of_closed(desk, mailbox, revision + 1, casefile)
                put_tallies(desk, session, address, tallies)
            body = casefile.to_bytes()
            desk_records.put_record(desk, session, RecordKind.CASEFILE, address, revision + 1, body)
        except (TooLongError, MalformedError) as why:
            raise CasefileRefusedError(CasefileRefusal.FULL) from why
    desk.saw_record(RecordKind.CASEFILE, address, revision + 1)
    desk.save()
    _publish_to_index(desk, address, revision + 1, casefile)


def set_in_casefile(desk: OpenDesk, address: Address, **fields: object) -> None:
    """Change fields of the desk's notes about a mailbox, by name.

    Raise the exceptions of `update_casefile`.
    """
    update_casefile(desk, address, lambda casefile: msgspec.structs.replace(casefile, **fields))


def add_casefile_note(desk: OpenDesk, address: Address, text: str, today: date) -> None:
    """Add a dated note to a mailbox's casefile.

    Raises:
        CasefileRefusedError: FULL: the note or the casefile is too long.
        RecordUnsoundError: the stored casefile is not the one that this desk wrote last.
    """
    text = trim(text.replace("\r\n", "\n"))
    if not text:
        return
    note = Note(day=today, strand=desk.keyring.strand.name, text=text)
    update_casefile(
        desk, address, lambda casefile: msgspec.structs.replace(casefile, notes=(*casefile.notes, note))
    )


def save_casefile(desk: OpenDesk, address: Address, shown: str, typed: Mapping[str, str]) -> None:
    """Save the form with the desk's notes about a mailbox, unless a value changed after the form was shown.

    `shown` is the digest of the values that the form showed.

    Raises:
        CasefileRefusedError: someone changed a value, a choice is in no list, a text is too long, there are
            too many labels, or the day is invalid.
        RecordUnsoundError: the stored casefile is not the one that this desk wrote last.
    """
    # Only these fields count, because the desk saves facts in other parts of the casefile in the background.
    labels = parse_labels(typed["labels"])
    if any(len(label) > LABEL_CHARS for label in labels):
        raise CasefileRefusedError(CasefileRefusal.FULL)
    day = typed["reminder"]
    try:
        reminder = read_day(day) if day.strip() else None
    except ValueError as why:
        raise CasefileRefusedError(CasefileRefusal.DAY) from why

    def change(before: Casefile) -> Casefile:
        if form_digest(before) != shown:
            raise CasefileRefusedError(CasefileRefusal.MOVED)
        chosen = {name: _chosen(desk, name, typed[name], getattr(before, name)) for name in CHOICES}
        handover = trim(typed["handover"].replace("\r\n", "\n"))
        return msgspec.structs.replace(before, **chosen, labels=labels, reminder=reminder, handover=handover)

    update_casefile(desk, address, change)


def read_casefile_panel(desk: OpenDesk, address: Address, today: date) -> CasefilePanel:
    """Return the desk's notes about a mailbox for the panel on the mailbox's page.

    If the notes fail verification, the returned panel is empty and `is_unsound` is True.
    """
    try:
        casefile, is_unsound = read_casefile(desk, address), False
    except RecordUnsoundError:
        casefile, is_unsound = Casefile(), True
    is_due = casefile.reminder is not None and casefile.reminder <= today
    return CasefilePanel(casefile, form_values(casefile), form_digest(casefile), is_unsound, is_due)


def form_values(casefile: Casefile) -> dict[str, str]:
    """Return the values of the form with notes about a mailbox: a dict from the field's name to its value."""
    return {
        **{name: getattr(casefile, name) for name in CHOICES},
        "labels": ", ".join(casefile.labels),
        "reminder": casefile.reminder.isoformat() if casefile.reminder else "",
        "handover": casefile.handover,
    }


def form_digest(casefile: Casefile) -> str:
    """Return the hexadecimal digest of the values that the form with notes about a mailbox shows.

    The digest reveals whether someone else changed a value after the form was shown.
    """
    return hashlib.sha256(msgspec.json.encode(form_values(casefile))).hexdigest()


def has_mailbox(desk: OpenDesk, address: Address) -> bool:
    """Return True if the store has a mailbox with this address."""
    with desk.store.reading() as session:
        return mailboxes.find(session, address) is not None


def drop_casefile(desk: OpenDesk, session: Session, address: Address) -> None:
    """Delete the notes and the draft about a mailbox, in the caller's transaction.

    The next syncs make the other workstations delete the notes too.

    Raises:
        RecordUnsoundError: the stored casefile is not signed by this desk.
    """
    desk_records.drop_record(desk, session, RecordKind.CASEFILE, address)
    records.drop(session, RecordKind.DRAFT, address)
    _unpublish(desk, address)


def load_casefiles(desk: OpenDesk) -> None:
    """Decrypt the new and changed casefiles into `desk.casefiles`, for the inbox and for search.

    The mailboxes whose casefile failed verification are in `desk.unsound_casefiles`.
    """
    with desk.store.reading() as session:
        stored = records.revisions(session, RecordKind.CASEFILE)
    here = {Address(name): revision for name, revision in stored if len(name) == ADDRESS_BYTES}
    known = {address: revision for address, (revision, _) in list(desk.casefiles.items())}
    changed = [address for address, revision in here.items() if known.get(address) != revision]
    seen = [Address(name) for kind, name in list(desk.trusted_state.records) if kind == RecordKind.CASEFILE]
    gone = [address for address in seen if address not in here]
    wanted = dict.fromkeys([*changed, *gone, *desk.unsound_casefiles])
    # `_read` adds a mailbox whose casefile fails verification to `desk.unsound_casefiles`.
    desk.each_mailbox("casefiles", wanted, lambda each: _read(desk, each))


def parse_labels(typed: str) -> tuple[str, ...]:
    """Split a typed line at the commas into the labels of a mailbox, each once and sorted.

    Labels that look the same are one label.
    """
    found = {name_form(label): " ".join(trim(label).split()) for label in typed.split(",")}
    return tuple(sorted(label for label in found.values() if label))


def casefile_texts(casefile: Casefile) -> str:
    """Return the searchable text of the desk's notes about a mailbox, with labels and handover text."""
    return "\n".join((*casefile.labels, casefile.handover, *(note.text for note in casefile.notes)))


def _read(desk: OpenDesk, address: Address) -> tuple[int, Casefile]:
    try:
        kept = desk_records.read_record(desk, RecordKind.CASEFILE, address)
        casefile = Casefile.from_bytes(kept.body) if kept is not None and kept.body else Casefile()
    except (RecordUnsoundError, MalformedError) as why:
        desk.unsound_casefiles.add(address)
        desk.casefiles.pop(address, None)
        raise RecordUnsoundError from why
    desk.unsound_casefiles.discard(address)
    revision = 0 if kept is None else kept.revision
    if kept is not None and kept.body:
        _publish_to_index(desk, address, revision, casefile)
    elif kept is not None:  # the desk dropped the casefile
        _unpublish(desk, address)
    return revision, casefile


def tallies_of_closed(
    desk: OpenDesk, mailbox: StoredMailbox, revision: int, casefile: Casefile
) -> tuple[Tally, ...]:
    """Return the tallies, which are anonymous facts, about a mailbox that the desk has closed.

    `casefile` must have a day of deletion. If someone swapped the keys in the mailbox's row, the result is
    empty.
    """
    # The ids are derived from the source's public key, so a copy counts once. Other ids would count twice.
    key = checked_verify_key(Address(mailbox.address), mailbox.recipient, mailbox.verify_key)
    if key is None:
        return ()
    seed, closed = tally_seed(desk.keyring.desk_key.seed, key), cast("date", casefile.keep_until)
    return tallies_of(casefile, desk.letterhead, seed=seed, revision=revision, closed=closed, is_read=True)


def put_tallies(desk: OpenDesk, session: Session, address: Address, tallies: Sequence[Tally]) -> None:
    """Sign and encrypt the anonymous facts about a closed mailbox, and store them beside the mailbox.

    Raises:
        NoSuchMailboxError: there is no such mailbox.
    """
    sealed = seal_tallies(tallies, desk.letterhead, desk.keyring.desk_writer)
    mailbox_tallies.put(session, address, sealed)


def _publish_to_index(desk: OpenDesk, address: Address, revision: int, casefile: Casefile) -> None:
    if desk.casefiles.get(address, (0, None))[0] != revision:
        desk.casefiles[address] = (revision, casefile)
        desk.index.index_notes(address, casefile_texts(casefile))


def _unpublish(desk: OpenDesk, address: Address) -> None:
    desk.casefiles.pop(address, None)
    desk.index.index_notes(address, "")


def _chosen(desk: OpenDesk, name: str, key: str, before: str) -> str:
    if key not in {"", before, *(choice.key for choice in desk.config.options(f"{name}s"))}:
        raise CasefileRefusedError(CasefileRefusal.MOVED)
    return key
