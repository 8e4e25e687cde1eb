"""One conversation as the adviser reads it."""

import secrets
from dataclasses import dataclass
from datetime import date

from crypto.entry import Author
from crypto.names import (
    ENTRY_ID_BYTES,
    Address,
    StrandId,
)
from journalist_app.desk import OpenDesk
from journalist_app.errors import (
    MailboxMissingError,
)
from journalist_app.verification import Conversation, OpenedEntry, ShownFault, examine, open_all
from store import mailboxes
from web.filenames import safe_name


@dataclass(frozen=True, slots=True)
class ShownFile:
    """A file of an entry; the name is safe to show and to save."""

    attachment_id: str
    name: str
    size: int


@dataclass(frozen=True, slots=True)
class ShownEntry:
    """One verified entry. With `fault` its text is not shown."""

    entry_id: str
    is_source: bool
    day: date
    text: str
    files: tuple[ShownFile, ...]
    is_removed: bool
    is_seen: bool
    fault: str


@dataclass(frozen=True, slots=True)
class ShownThread:
    """A mailbox as the adviser reads it, with what the answer form carries. Marks are not among the entries.

    `source_said` is the digest of the newest thing the source said, in hexadecimal.
    """

    address: str
    label: str
    entries: tuple[ShownEntry, ...]
    faults: tuple[ShownFault, ...]
    source_said: str
    entry_id: str
    may_answer: bool
    anchors: str


def thread(desk: OpenDesk, address: Address) -> ShownThread:
    """Verify and open a whole mailbox; what was found sound is remembered at once.

    Raises:
        MailboxMissingError: there is no such mailbox.
    """
    conversation = conversation_of(desk, address)
    opened = open_all(desk, conversation)
    faults = list(conversation.faults)
    faults += [
        ShownFault(each.fault, each.signed.open_part.author, each.signed.open_part.number)
        for each in opened
        if each.fault
    ]
    if faults:
        desk.unsound[address] = tuple(dict.fromkeys(fault.kind for fault in faults))
    desk.save()
    seen_numbers = _seen_by_source(opened)
    return ShownThread(
        address=address.hex(),
        label=desk.label(address),
        entries=tuple(_shown(each, seen_numbers) for each in opened if each.signed.open_part.speaks),
        faults=tuple(faults),
        source_said=conversation.source_said.hex(),
        entry_id=secrets.token_hex(ENTRY_ID_BYTES),
        may_answer=not faults,
        anchors=desk.memory.value,
    )


def conversation_of(desk: OpenDesk, address: Address) -> Conversation:
    """Check a mailbox and return it with what was found.

    Raises:
        MailboxMissingError: there is no such mailbox.
    """
    with desk.store.reading() as session:
        mailbox = mailboxes.find(session, address)
        if mailbox is None:
            raise MailboxMissingError
        return examine(desk, session, mailbox)


def _seen_by_source(opened: tuple[OpenedEntry, ...]) -> dict[StrandId, int]:
    """Return, per strand of the desk, the highest number that an entry of the source had before it."""
    by_digest = {each.signed.digest: each.signed.open_part for each in opened}
    numbers: dict[StrandId, int] = {}
    for each in opened:
        if each.signed.open_part.author is Author.SOURCE:
            for part in (by_digest[digest] for digest in each.signed.open_part.seen if digest in by_digest):
                numbers[part.strand] = max(part.number, numbers.get(part.strand, 0))
    return numbers


def _shown(opened: OpenedEntry, seen_numbers: dict[StrandId, int]) -> ShownEntry:
    part = opened.signed.open_part
    content = opened.content
    return ShownEntry(
        entry_id=part.entry_id.hex(),
        is_source=part.author is Author.SOURCE,
        day=part.day,
        text=content.text if content else "",
        files=tuple(ShownFile(note.id.hex(), safe_name(note.name), note.size) for note in content.attachments)
        if content
        else (),
        is_removed=opened.signed.removal is not None,
        is_seen=part.number <= seen_numbers.get(part.strand, 0),
        fault=opened.fault,
    )
