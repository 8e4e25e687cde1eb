"""What an adviser does with the desk: unlock, look, read, answer, fetch files. Plain Python, no Flask."""

import hashlib
import secrets
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from types import TracebackType
from typing import Final, Self

from sqlalchemy.orm import Session

from crypto import attachment, entry
from crypto.age import PQRecipient
from crypto.anchors import Head, Heads
from crypto.chain import seen_by
from crypto.entry import TEXT_CHARS, AttachmentNote, Author, Content, Kind, SignedEntry
from crypto.errors import (
    ForgedError,
    KeyringRefusal,
    KeyringRefusedError,
    LetterheadRefusedError,
    MalformedError,
)
from crypto.keyring import Keyring, open_keyring
from crypto.letterhead import Letterhead
from crypto.letterhead import verify as verify_letterhead
from crypto.names import (
    ATTACHMENT_ID_BYTES,
    ENTRY_ID_BYTES,
    NO_DIGEST,
    SOURCE_STRAND,
    Address,
    AttachmentId,
    Digest,
    EntryId,
    StrandId,
)
from crypto.open_part import OpenPart
from crypto.removal import verify_ended
from journalist_app.config import AdviserConfig
from journalist_app.desk import Memory, OpenDesk, Progress, read_anchors
from journalist_app.errors import (
    AnotherTextError,
    FileMissingError,
    FileOverRoomError,
    KeyringClosedError,
    KeyringExposedError,
    KeyringMissingError,
    LetterheadError,
    MailboxMissingError,
    OtherDeskError,
    SourceWroteError,
    TextMissingError,
    TextOverLimitError,
    TooManyFilesError,
    UnsoundMailboxError,
)
from journalist_app.private_files import ExposedError, read_private
from journalist_app.verification import Conversation, OpenedEntry, ShownFault, examine, open_all
from store import attachments, entries, letterheads, mailboxes
from store.engine import Store
from store.errors import (
    EntryExistsError,
    HeadMovedError,
    QuotaError,
    StoreError,
)
from store.errors import MailboxMissingError as NoSuchMailboxError
from store.mailboxes import Ended, Mailbox
from store.quota import Quota
from store.schema import CHUNK_BYTES
from web.filenames import safe_name

PAGE_ROWS: Final = 25
_MEDIA_TYPE: Final = "application/octet-stream"
_MEDIA_TYPE_CHARS: Final = 127
_TRIES: Final = 5  # of an append that another tab's answer overtook


# ---- unlocking ------------------------------------------------------------------------------------


def unlock(config: AdviserConfig, store: Store, passphrase: str) -> OpenDesk:
    """Open the keyring and what hangs on it. Takes about a second, wrong passphrase or right.

    Raises:
        KeyringMissingError: there is no keyring.
        KeyringExposedError: others can read it.
        KeyringClosedError: wrong passphrase, or damaged.
        OtherDeskError: it is another desk's.
        LetterheadError: the store's letterhead must not be used.
    """
    keyring = _open_keyring(config, passphrase)
    anchors, memory = read_anchors(config, keyring)
    with store.reading() as session:
        published = letterheads.latest(session)
        if memory is Memory.MISSING and not any(strand for _, strand, _, _ in entries.all_heads(session)):
            memory = Memory.SOUND  # this desk has not answered yet: there is nothing to remember
    if published is None:
        raise LetterheadError
    letterhead = _verified(published[1], published[2], config.fingerprint, anchors.letterhead_serial)
    desk = OpenDesk(config, store, keyring, letterhead, anchors, memory)
    desk.saw_letterhead()
    return desk


def _open_keyring(config: AdviserConfig, passphrase: str) -> Keyring:
    try:
        return open_keyring(read_private(config.keyring_path), passphrase, config.fingerprint)
    except ExposedError as why:
        raise KeyringExposedError from why
    except OSError as why:
        raise KeyringMissingError from why
    except KeyringRefusedError as why:
        refused = OtherDeskError if why.reason is KeyringRefusal.OTHER_DESK else KeyringClosedError
        raise refused from why


def _verified(body: bytes, signature: bytes, fingerprint: str, serial: int) -> Letterhead:
    try:
        return verify_letterhead(body, signature, fingerprint, at_least_serial=serial)
    except LetterheadRefusedError as why:
        raise LetterheadError from why


# ---- checking what is new, in the background ------------------------------------------------------


def check_store(desk: OpenDesk, today: date) -> None:
    """Compare the store with the anchors, and verify every mailbox in which something is new.

    Keeps `desk.progress` up to date, ends early when the desk is stopped, and saves the anchors. One thread
    at a time does this; another that comes meanwhile leaves at once.
    """
    if not desk.checking.acquire(blocking=False):
        return
    try:
        changed = _changed_mailboxes(desk)
        desk.progress = Progress(0, len(changed), is_running=True, is_broken=False)
        for done, address in enumerate(changed, 1):
            if desk.stopping.is_set():
                return
            _check_mailbox(desk, address)
            desk.progress = Progress(done, len(changed), is_running=True, is_broken=False)
        desk.save()
        desk.last_check = today
        desk.progress = Progress(len(changed), len(changed), is_running=False, is_broken=False)
    except StoreError:
        desk.progress = Progress(desk.progress.done, desk.progress.total, is_running=False, is_broken=True)
    finally:
        desk.checking.release()


def _changed_mailboxes(desk: OpenDesk) -> list[Address]:
    """Return the mailboxes whose heads are not those remembered, known to fail, or gone."""
    found: dict[Address, dict[StrandId, Head]] = defaultdict(dict)
    with desk.store.reading() as session:
        for address, strand, number, digest in entries.all_heads(session):
            found[Address(address)][StrandId(strand)] = (number, Digest(digest))
        ended = {Address(row.address) for row in mailboxes.ended_mailboxes(session)}
        hidden = _hidden_mailboxes(session, found)
    known = desk.anchors.mailboxes
    new = [
        address
        for address, heads in found.items()
        if address in desk.anchors.ended or dict(known.get(address, {})) != heads
    ]
    gone = [address for address in known if address not in found and address not in ended]
    return list(dict.fromkeys([*new, *gone, *hidden, *desk.unsound]))


def _hidden_mailboxes(session: Session, found: Mapping[Address, Heads]) -> set[Address]:
    """Return the mailboxes that the store says are answered, though no answer has seen the newest question.

    Whether somebody waits stands in the store unsigned, and heads that are remembered do not tell it: whoever
    can write the store could let a source who was seen but not answered yet sink out of sight.
    """
    resting: set[Address] = set()
    answered: set[Address] = set()
    for raw, open_part, signature in entries.resting(session):
        address = Address(raw)
        heads = found.get(address, {})
        if SOURCE_STRAND in heads:
            resting.add(address)
            if open_part is not None and signature is not None and _answers(heads, open_part, signature):
                answered.add(address)
    return resting - answered


def _answers(heads: Heads, open_part: bytes, signature: bytes) -> bool:
    """Say whether this is the head of one of the desk's strands, and has seen the source's head."""
    try:
        part = OpenPart.from_bytes(open_part)
    except MalformedError:
        return False
    is_head = heads.get(part.strand) == (part.number, hashlib.sha256(open_part + signature).digest())
    return is_head and heads[SOURCE_STRAND][1] in part.seen


def _check_mailbox(desk: OpenDesk, address: Address) -> None:
    with desk.store.reading() as session:
        mailbox = mailboxes.find(session, address)
        if mailbox is not None:
            examine(desk, session, mailbox)
            return
        has_ended = any(row.address == address for row in mailboxes.ended_mailboxes(session))
    if address in desk.anchors.mailboxes and not has_ended:
        desk.unsound[address] = ("gone",)
    else:
        desk.unsound.pop(address, None)


# ---- the inbox ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class InboxRow:
    """One mailbox in a list. `since` is the day it waits since, or of its last entry when it was answered."""

    address: str
    label: str
    is_waiting: bool
    is_new: bool
    since: date | None
    days: int
    entries: int
    files: int
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EndedRow:
    """A mailbox that ended; without `is_proved` the source has not signed that."""

    address: str
    label: str
    day: date
    is_proved: bool


@dataclass(frozen=True, slots=True)
class UnsoundRow:
    """A mailbox that fails verification, wherever in the lists it stands."""

    address: str
    label: str
    is_here: bool
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Inbox:
    """One page of the inbox."""

    state: str
    page: int
    query: str
    rows: tuple[InboxRow, ...]
    ended: tuple[EndedRow, ...]
    unsound: tuple[UnsoundRow, ...]
    found: int
    waiting: int
    answered: int
    closed: int
    has_more: bool
    progress: Progress
    anchors: str


def inbox(desk: OpenDesk, state: str, page: int, query: str, today: date) -> Inbox:
    """Return one page of a list, or what a search finds; every row is verified before it is shown.

    `state` is "waiting", "answered" or "closed"; `page` counts from 1; `query` is part of a label.
    """
    words = " ".join(query.casefold().replace("-", " ").split())
    with desk.store.reading() as session:
        counts = mailboxes.counts(session)
        ended = mailboxes.ended_mailboxes(session)
        found: list[Address] = []
        shown: list[Mailbox] = []
        if words:
            found = [
                Address(each) for each in mailboxes.addresses(session) if _fits(desk, Address(each), words)
            ]
            shown = [row for each in found[:PAGE_ROWS] if (row := mailboxes.find(session, each)) is not None]
        elif state != "closed":
            shown = list(mailboxes.page(session, state, (page - 1) * PAGE_ROWS, PAGE_ROWS + 1))
        rows = tuple(_row(desk, examine(desk, session, each), today) for each in shown[:PAGE_ROWS])
    closed = tuple(_ended_row(desk, each) for each in ended)
    if words:
        closed_shown = tuple(row for row in closed if words in row.label.replace("-", " "))
    else:
        closed_shown = closed if state == "closed" else ()
    return Inbox(
        state=state,
        page=page,
        query=query,
        rows=rows,
        ended=closed_shown,
        unsound=_unsound_rows(desk, closed),
        found=len(found) + len(closed_shown),
        waiting=counts.waiting,
        answered=counts.answered,
        closed=len(ended),
        has_more=not words and len(shown) > PAGE_ROWS,
        progress=desk.progress,
        anchors=desk.memory.value,
    )


def _fits(desk: OpenDesk, address: Address, words: str) -> bool:
    return words in desk.label(address).replace("-", " ")


def _row(desk: OpenDesk, conversation: Conversation, today: date) -> InboxRow:
    opened = open_all(desk, conversation)
    faults = [fault.kind for fault in conversation.faults] + [each.fault for each in opened if each.fault]
    if faults:
        desk.unsound[conversation.address] = tuple(dict.fromkeys(faults))
    mailbox = conversation.mailbox
    is_waiting = mailbox.waiting_since is not None or conversation.unanswered_since is not None
    waits_since = conversation.unanswered_since or mailbox.waiting_since
    last_day = opened[-1].signed.open_part.day if opened else None
    since = waits_since if is_waiting else last_day
    return InboxRow(
        address=conversation.address.hex(),
        label=desk.label(conversation.address),
        is_waiting=is_waiting,
        is_new=not conversation.is_answered_once,
        since=since,
        days=max(0, (today - since).days) if since else 0,
        entries=len(opened),
        files=sum(len(each.content.attachments) for each in opened if each.content),
        faults=tuple(dict.fromkeys(faults)),
    )


def _ended_row(desk: OpenDesk, row: Ended) -> EndedRow:
    address = Address(row.address)
    try:
        ended = verify_ended(
            row.statement, address=address, recipient=row.recipient, verify_key=row.verify_key
        )
    except (ForgedError, MalformedError):
        return EndedRow(address.hex(), desk.label(address), row.day, is_proved=False)
    return EndedRow(address.hex(), desk.label(address), ended.day, is_proved=True)


def _unsound_rows(desk: OpenDesk, closed: tuple[EndedRow, ...]) -> tuple[UnsoundRow, ...]:
    rows = [
        UnsoundRow(address.hex(), desk.label(address), "gone" not in faults, faults)
        for address, faults in list(desk.unsound.items())
    ]
    rows += [
        UnsoundRow(row.address, row.label, is_here=False, faults=("false_ending",))
        for row in closed
        if not row.is_proved
    ]
    return tuple(sorted(rows, key=lambda row: row.label))


def acknowledge(desk: OpenDesk, address: Address) -> None:
    """Drop the line of a mailbox that its source ended, now that the adviser has seen it.

    Raises:
        MailboxMissingError: there is no such line.
        UnsoundMailboxError: the source has not signed it: it stays, as evidence.
    """
    with desk.store.reading() as session:
        row = next((each for each in mailboxes.ended_mailboxes(session) if each.address == address), None)
    if row is None:
        raise MailboxMissingError
    if not _ended_row(desk, row).is_proved:
        raise UnsoundMailboxError
    desk.forget_ended(address)
    desk.save()  # first: were it only dropped from the store, it would look taken away
    with desk.store.writing() as session:
        mailboxes.acknowledge_ended(session, address)


# ---- a conversation -------------------------------------------------------------------------------


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
    """A mailbox as the adviser reads it, with what the answer form carries."""

    address: str
    label: str
    entries: tuple[ShownEntry, ...]
    faults: tuple[ShownFault, ...]
    source_head: str
    entry_id: str
    may_answer: bool
    anchors: str


def thread(desk: OpenDesk, address: Address) -> ShownThread:
    """Verify and open a whole mailbox; what was found sound is remembered at once.

    Raises:
        MailboxMissingError: there is no such mailbox.
    """
    conversation = _conversation(desk, address)
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
        entries=tuple(_shown(each, seen_numbers) for each in opened),
        faults=tuple(faults),
        source_head=conversation.source_head.hex(),
        entry_id=secrets.token_hex(ENTRY_ID_BYTES),
        may_answer=not faults,
        anchors=desk.memory.value,
    )


def _conversation(desk: OpenDesk, address: Address) -> Conversation:
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


# ---- files ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Download:
    """A file on its way out. `pieces` breaks off before the last one when what is stored was changed."""

    name: str
    size: int
    pieces: Iterator[bytes]


def download(desk: OpenDesk, address: Address, attachment_id: AttachmentId) -> Download:
    """Open an attachment of a verified entry. Its commitment has been checked when this returns.

    Raises:
        MailboxMissingError: there is no such mailbox.
        FileMissingError: no verified entry of the mailbox carries such a file.
        ForgedError, UnreadableError: what is stored is not what was signed.
    """
    with desk.store.reading() as session:
        stored = attachments.find(session, address, attachment_id)
    conversation = _conversation(desk, address)
    if stored is None or stored.header is None:
        raise FileMissingError
    note, entry_id = _note_of(desk, conversation, attachment_id)
    opener = attachment.Opener(
        stored.header,
        attachments.read_chunks(desk.store, address, attachment_id),
        note,
        desk.keyring.identities,
        address,
        entry_id,
    )
    return Download(safe_name(note.name), note.size, iter(opener))


def _note_of(
    desk: OpenDesk, conversation: Conversation, attachment_id: AttachmentId
) -> tuple[AttachmentNote, EntryId]:
    for each in open_all(desk, conversation):
        for note in each.content.attachments if each.content else ():
            if note.id == attachment_id:
                return note, each.signed.open_part.entry_id
    raise FileMissingError


# ---- answering ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AnswerForm:
    """What the answer form carried before its files; `seen` is the digest of the newest entry shown."""

    address: Address
    entry_id: EntryId
    seen: bytes
    text: str


class Answering:
    """An answer under way. Files are sealed as they arrive; only `send` makes them and the text an entry.

    Use as a context: what was not sent when it ends is given up. Where `is_sent` is set from the start, this
    very answer was sent before (a double click) and nothing more is to be done.
    """

    def __init__(self, desk: OpenDesk, form: AnswerForm, *, today: date, half_hour: int) -> None:
        """Check everything that can be checked before a file arrives.

        Raises:
            TextMissingError, TextOverLimitError: the text cannot be sent.
            MailboxMissingError: there is no such mailbox.
            UnsoundMailboxError: something in it fails verification.
            AnotherTextError: the form was used for another text.
            SourceWroteError: the source's newest entry is not the one that the adviser saw.
        """
        self.is_sent = False
        self._desk = desk
        self._form = form
        self._text = form.text.replace("\r\n", "\n").strip("\n")
        self._today = today
        self._half_hour = half_hour
        self._notes: list[AttachmentNote] = []
        self._has_pieces = False
        if not self._text.strip():
            raise TextMissingError
        if len(self._text) > TEXT_CHARS:
            raise TextOverLimitError
        conversation = _conversation(desk, form.address)
        self._recipient = conversation.mailbox.recipient
        self._require_sound(conversation)
        if self._was_sent(conversation):
            self.is_sent = True
        elif conversation.source_head != form.seen:
            raise SourceWroteError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, why: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.is_sent or not self._has_pieces:
            return
        # Should the store refuse, what is left pending is swept a day later.
        with suppress(StoreError), self._desk.store.writing() as session:
            attachments.abandon(session, self._form.address, self._form.entry_id)

    def add_file(self, name: str, media_type: str, pieces: Iterator[bytes]) -> None:
        """Seal a file while it arrives, and store it as pending.

        Raises:
            TooManyFilesError: there are as many as an answer may carry.
            FileOverRoomError: the mailbox or the store has no room for it.
        """
        if len(self._notes) >= self._desk.config.upload_files:
            raise TooManyFilesError
        attachment_id = AttachmentId(secrets.token_bytes(ATTACHMENT_ID_BYTES))
        _, desk_recipient = self._desk.letterhead.current_epoch
        sealer = attachment.Sealer(
            [desk_recipient, PQRecipient.from_bytes(self._recipient)],
            self._form.address,
            self._form.entry_id,
            attachment_id,
        )
        self._has_pieces = True
        config = self._desk.config
        chunks = _Chunks(
            self._desk.store,
            attachment_id,
            Quota(config.mailbox_bytes, config.store_bytes, config.reserve_bytes),
        )
        try:
            with self._desk.store.writing(durable=False) as session:
                attachments.begin(
                    session,
                    address=self._form.address,
                    entry_id=self._form.entry_id,
                    attachment_id=attachment_id,
                    header=sealer.header,
                    half_hour=self._half_hour,
                )
            for piece in pieces:
                chunks.add(sealer.update(piece))
            for padding in sealer.pad():
                chunks.add(padding)
            last, note = sealer.finish(safe_name(name), _media_type(media_type))
            chunks.add(last)
            chunks.finish()
        except QuotaError as why:
            raise FileOverRoomError from why
        except NoSuchMailboxError as why:
            raise MailboxMissingError from why
        self._notes.append(note)

    def send(self) -> None:
        """Seal the text, sign it into its place, and append it with its files in one transaction.

        Raises:
            SourceWroteError: the source wrote while this was typed or sent.
            AnotherTextError: the form was used for another text meanwhile.
            MailboxMissingError: the source ended the mailbox meanwhile.
            UnsoundMailboxError: something in the mailbox does not fit any more.
        """
        content = Content(kind=Kind.MESSAGE, text=self._text, attachments=tuple(self._notes))
        sealed: SignedEntry | None = None
        for _ in range(_TRIES):
            conversation = _conversation(self._desk, self._form.address)
            self._require_sound(conversation)
            if self._was_sent(conversation):
                self.is_sent = True
                return
            if conversation.source_head != self._form.seen:
                raise SourceWroteError
            sealed = self._placed(content, conversation, sealed)
            try:
                self._append(sealed)
            except (HeadMovedError, EntryExistsError):
                continue  # another tab was first: look again
            self.is_sent = True
            heads = {**conversation.heads, sealed.open_part.strand: (sealed.open_part.number, sealed.digest)}
            self._desk.remember(self._form.address, heads)
            self._desk.save()
            return
        raise HeadMovedError("other answers kept coming first")

    def _placed(
        self, content: Content, conversation: Conversation, sealed: SignedEntry | None
    ) -> SignedEntry:
        writer = self._desk.keyring.desk_writer
        number, previous = conversation.heads.get(writer.strand, (0, NO_DIGEST))
        seen = seen_by(Author.DESK, conversation.heads)
        if sealed is not None:
            return entry.renumber(
                sealed, by=writer, number=number + 1, previous=previous, seen=seen, day=self._today
            )
        return entry.seal(
            content,
            address=self._form.address,
            mailbox_recipient=self._recipient,
            letterhead=self._desk.letterhead,
            by=writer,
            entry_id=self._form.entry_id,
            number=number + 1,
            previous=previous,
            seen=seen,
            day=self._today,
        )

    def _append(self, sealed: SignedEntry) -> None:
        part = sealed.open_part
        try:
            with self._desk.store.writing() as session:
                heads = {head.strand: head.digest for head in entries.heads(session, part.address)}
                if heads.get(SOURCE_STRAND, b"") != self._form.seen:
                    raise SourceWroteError  # between our look and this transaction
                entries.append(
                    session,
                    address=part.address,
                    author=int(part.author),
                    strand=part.strand,
                    number=part.number,
                    entry_id=part.entry_id,
                    digest=sealed.digest,
                    open_part=part.to_bytes(),
                    signature=sealed.signature,
                    epoch=sealed.epoch,
                    day=part.day,
                    header=sealed.header or b"",  # fresh from `entry.seal`, which gives both
                    payload=sealed.payload or b"",
                    previous=part.previous,
                    attachment_ids=[note.id for note in self._notes],
                )
        except NoSuchMailboxError as why:
            raise MailboxMissingError from why

    def _require_sound(self, conversation: Conversation) -> None:
        if conversation.faults:
            raise UnsoundMailboxError

    def _was_sent(self, conversation: Conversation) -> bool:
        """Say whether this form's entry is there already, with this text.

        Raises:
            AnotherTextError: it is there with another text.
        """
        for each in open_all(self._desk, conversation):
            if each.signed.open_part.entry_id == self._form.entry_id:
                if each.content is not None and each.content.text == self._text:
                    return True
                raise AnotherTextError
        return False


class _Chunks:
    """Collects ciphertext and stores it in chunks of one size, each in a transaction of its own."""

    def __init__(self, store: Store, attachment_id: AttachmentId, quota: Quota) -> None:
        self._store = store
        self._attachment_id = attachment_id
        self._quota = quota
        self._held = bytearray()
        self._count = 0

    def add(self, ciphertext: bytes) -> None:
        self._held += ciphertext
        while len(self._held) > CHUNK_BYTES:  # never to the end: `finish` writes a last one
            self._write(bytes(self._held[:CHUNK_BYTES]))
            del self._held[:CHUNK_BYTES]

    def finish(self) -> None:
        self._write(bytes(self._held))
        with self._store.writing(durable=False) as session:
            attachments.finish(session, self._attachment_id)

    def _write(self, chunk: bytes) -> None:
        with self._store.writing(durable=False) as session:
            attachments.add_chunk(session, self._attachment_id, self._count, chunk, quota=self._quota)
        self._count += 1


def _media_type(claimed: str) -> str:
    """Return what the browser claims a file is, if it looks like a media type at all."""
    is_plain = claimed.isascii() and claimed.isprintable() and len(claimed) <= _MEDIA_TYPE_CHARS
    return claimed if claimed and is_plain else _MEDIA_TYPE


@dataclass(frozen=True, slots=True)
class AboutDesk:
    """What the adviser may compare with the posters, and where things lie."""

    names: dict[str, str]
    fingerprint: str
    letterhead_serial: int
    mailboxes: int
    last_check: date | None
    store_path: str
    keyring_path: str
    anchors: str


def about(desk: OpenDesk) -> AboutDesk:
    """Return the facts about this desk."""
    with desk.store.reading() as session:
        counts = mailboxes.counts(session)
    return AboutDesk(
        names={str(language): name for language, name in desk.letterhead.desk_name.items()},
        fingerprint=desk.config.fingerprint,
        letterhead_serial=desk.letterhead.serial,
        mailboxes=counts.waiting + counts.answered,
        last_check=desk.last_check,
        store_path=str(desk.config.store_path),
        keyring_path=str(desk.config.keyring_path),
        anchors=desk.memory.value,
    )
