"""What a source can do: start, come back, read, delete, end. No Flask here. Writing is in `posting`."""

import hmac
import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date

from crypto import chain, passphrase, session
from crypto.attachment import Opener
from crypto.content import AttachmentNote, Content
from crypto.entry import SignedEntry, open_entry, verify
from crypto.errors import CryptoError, UnreadableError
from crypto.label import digest_words
from crypto.mailbox_keys import MailboxKeys, derive
from crypto.names import Digest, Root, StrandId
from crypto.open_part import Author
from crypto.passphrase import Language
from crypto.removal import ended, removal
from crypto.signing import SourceWriter
from store import attachments, entries, mailboxes
from store.errors import MailboxEndedError, MailboxMissingError
from web.filenames import safe_name

from .desk import Desk
from .errors import (
    MailboxGoneError,
    NoMailboxError,
    NotFoundError,
    NotOpenError,
    OtherWordsError,
    TicketExpiredError,
)

_TICKET_HALF_HOURS = 4  # to find a pen and a hiding place


@dataclass(frozen=True, slots=True)
class Opened:
    """A mailbox that is open in one browser: the cookie's token and the mailbox's root key."""

    token: bytes = field(repr=False)
    root: Root = field(repr=False)


@dataclass(frozen=True, slots=True)
class ShownFile:
    """A file of an entry; `id` is hexadecimal, `size` in bytes, `name` safe to show and to save."""

    id: str
    name: str = field(repr=False)
    size: int


@dataclass(frozen=True, slots=True)
class ShownEntry:
    """An entry that passed every check; one that was removed has no text."""

    id: str
    is_own: bool
    day: date
    text: str = field(repr=False)
    files: tuple[ShownFile, ...]
    is_removed: bool
    is_seen: bool  # own entries: the desk had it before it when it wrote
    words: str  # of its digest


@dataclass(frozen=True, slots=True)
class Thread:
    """A mailbox as its source sees it, oldest first."""

    entries: tuple[ShownEntry, ...]
    newest_reply: ShownEntry | None  # the desk's newest entry that still has a text
    is_answered: bool  # the newest thing is the desk's
    left_out: bool  # something failed its checks and is not shown
    own_missing: bool  # something of the source's own, or something built upon, is gone
    expect_by: date | None  # when the oldest entry that waits has its answer


# ---- coming in -------------------------------------------------------------------------------------


def draw_passphrase(desk: Desk, language: Language, *, now: int) -> tuple[list[str], str]:
    """Draw a passphrase and return its words and the ticket that remembers it; nothing is stored.

    `now` is the half hour since 1970, here and everywhere below.
    """
    drawn = passphrase.draw(language)
    return drawn.split(), session.ticket(drawn, desk.server_secret, now + _TICKET_HALF_HOURS)


def words_of(desk: Desk, ticket: str, *, now: int) -> list[str]:
    """Return the words of a ticket, to show them again.

    Raises:
        TicketExpiredError: too old, spent, or not one of this server since its start.
    """
    words = _words_in(desk, ticket, now=now)
    if _is_spent(desk, words, now=now):
        raise TicketExpiredError
    return words


def open_mailbox(desk: Desk, ticket: str, typed: str, *, today: date, now: int) -> Opened:
    """Open a new mailbox for somebody who typed back the words they were shown.

    A slip opens nothing: otherwise it would make a second mailbox that the paper does not open.

    Raises:
        OtherWordsError: with the places of the words that differ.
        TicketExpiredError: draw new words.
        LineFullError: come back in a moment.
    """
    shown = _words_in(desk, ticket, now=now)
    given = passphrase.normalise(typed)
    if not hmac.compare_digest(given.encode(), " ".join(shown).encode()):
        if _is_spent(desk, shown, now=now):  # which word differs would be told to somebody else
            raise TicketExpiredError
        raise OtherWordsError(_differing(shown, given.split()), _places(passphrase.unknown_words(typed)))
    root = _root(desk, given)
    keys = derive(root)
    with desk.store.writing() as writing:
        try:
            mailboxes.open_mailbox(
                writing,
                address=keys.address,
                recipient=keys.recipient,
                verify_key=keys.verify_key,
                day=today,
            )
        except MailboxEndedError as why:  # the practise page was still there after its mailbox had ended
            raise TicketExpiredError from why
    _spend(desk, shown, now=now)
    return _open_session(desk, root, now=now)


def log_in(desk: Desk, typed: str, *, now: int) -> Opened:
    """Open the mailbox of a passphrase. Argon2id runs first, whatever was typed.

    Raises:
        NoMailboxError: whatever the reason; with the places of words that are on no list.
        LineFullError: come back in a moment.
    """
    root = _root(desk, typed)
    keys = derive(root)
    with desk.store.reading() as reading:
        mailbox = mailboxes.find(reading, keys.address)
    if mailbox is None:
        raise NoMailboxError(_places(passphrase.unknown_words(typed)))
    return _open_session(desk, root, now=now)


def opened_with(desk: Desk, token: bytes, *, now: int) -> Opened:
    """Return what a cookie's token opens, and let the session last from now on.

    Raises:
        NotOpenError: nothing, or nothing any more.
    """
    name = session.token_hash(token)
    box = desk.sessions.get(name, now)
    if box is None:
        raise NotOpenError
    try:
        root = session.unbox(box, token, desk.server_secret)
    except UnreadableError as why:  # the server was started anew
        raise NotOpenError from why
    expires = now + desk.session_half_hours
    if desk.sessions.get(name, expires - 1) is None:  # once in a half hour: reading is cheaper than writing
        desk.sessions.put(name, box, expires)
    return Opened(token, root)


def log_out(desk: Desk, token: bytes) -> None:
    """Forget a session."""
    desk.sessions.drop(session.token_hash(token))


def _words_in(desk: Desk, ticket: str, *, now: int) -> list[str]:
    try:
        return session.open_ticket(ticket, desk.server_secret, now).split()
    except UnreadableError as why:
        raise TicketExpiredError from why


def _spend(desk: Desk, words: Sequence[str], *, now: int) -> None:
    """Never show these words again, now that they open a mailbox.

    A browser keeps the form with the ticket in its history: with its back button whoever sits down at the
    device next would be shown the passphrase, though its owner had logged out.
    """
    desk.sessions.put(_spent_name(desk, words), b"", now + _TICKET_HALF_HOURS + 1)


def _is_spent(desk: Desk, words: Sequence[str], *, now: int) -> bool:
    return desk.sessions.get(_spent_name(desk, words), now) is not None


def _spent_name(desk: Desk, words: Sequence[str]) -> bytes:
    return session.spent_name(" ".join(words), desk.server_secret)


def _root(desk: Desk, typed: str) -> Root:
    salt, params = desk.letterhead.site_salt, desk.letterhead.argon2.params
    return desk.line.run(lambda: passphrase.root(typed, salt, params))


def _open_session(desk: Desk, root: Root, *, now: int) -> Opened:
    token = secrets.token_bytes(session.TOKEN_BYTES)
    box = session.box(root, token, desk.server_secret)
    desk.sessions.put(session.token_hash(token), box, now + desk.session_half_hours)
    return Opened(token, root)


def _differing(shown: Sequence[str], given: Sequence[str]) -> list[int]:
    count = max(len(shown), len(given))
    return [place + 1 for place in range(count) if shown[place : place + 1] != given[place : place + 1]]


def _places(positions: Sequence[int]) -> list[int]:
    return [position + 1 for position in positions]


# ---- reading ---------------------------------------------------------------------------------------


def thread(desk: Desk, keys: MailboxKeys) -> Thread:
    """Check a whole mailbox and open what passes. What fails is counted and never shown to a source.

    Raises:
        MailboxGoneError: it has ended.
    """
    with desk.store.reading() as reading:
        mailbox = mailboxes.find(reading, keys.address)
        stored = entries.of_mailbox(reading, keys.address)
    if mailbox is None:
        raise MailboxGoneError
    signed, unreadable = _read(stored)
    checked = chain.check(keys.address, keys.verify_key, desk.letterhead.strand_keys, signed, None)
    seen = _seen_up_to(checked.entries)
    shown: list[ShownEntry] = []
    spoken: list[SignedEntry] = []
    for each in checked.entries:
        try:
            content = None if each.removal is not None else open_entry(each, [keys.identity])
        except CryptoError:
            unreadable = True
            continue
        if each.open_part.speaks:
            shown.append(_shown(each, content, seen))
            spoken.append(each)
    replies = [each for each in shown if not each.is_own and not each.is_removed]
    waiting = _waiting(spoken)
    return Thread(
        entries=tuple(shown),
        newest_reply=replies[-1] if replies else None,
        is_answered=bool(shown) and not shown[-1].is_own,
        left_out=unreadable or bool(checked.rejected),
        own_missing=any(fault.entry_id is None for fault in checked.faults),
        expect_by=desk.letterhead.expect_by(waiting[0].open_part.day) if waiting else None,
    )


def received(desk: Desk, keys: MailboxKeys, entry_id: bytes) -> tuple[ShownEntry, date]:
    """Return an own entry, for its receipt, and the day by which to expect an answer.

    Raises:
        NotFoundError: this mailbox holds no such entry of the source.
    """
    signed = _find(desk, keys, entry_id)
    if signed.open_part.author is not Author.SOURCE:
        raise NotFoundError
    return _shown_alone(signed, keys), desk.letterhead.expect_by(signed.open_part.day)


def entry_to_delete(desk: Desk, keys: MailboxKeys, entry_id: bytes) -> ShownEntry:
    """Return an entry that its source thinks of deleting.

    Raises:
        NotFoundError: this mailbox holds no such entry.
    """
    return _shown_alone(_find(desk, keys, entry_id), keys)


def file(desk: Desk, keys: MailboxKeys, attachment_id: bytes) -> tuple[ShownFile, Iterator[bytes]]:
    """Return a file of this mailbox and its bytes, opened piece by piece; the entry it hangs on is verified.

    Raises:
        NotFoundError: this mailbox holds no such file.
        CryptoError: the file is not the one its entry speaks of; also while its bytes are read.
    """
    with desk.store.reading() as reading:
        attachment = attachments.find(reading, keys.address, attachment_id)
    if attachment is None or attachment.header is None:
        raise NotFoundError
    signed = _find(desk, keys, attachment.entry_id)
    notes: dict[bytes, AttachmentNote] = {
        note.id: note for note in open_entry(signed, [keys.identity]).attachments
    }
    note = notes.get(attachment_id)
    if note is None:
        raise NotFoundError
    chunks = attachments.read_chunks(desk.store, keys.address, attachment_id)
    opener = Opener(attachment.header, chunks, note, [keys.identity], keys.address, signed.open_part.entry_id)
    return _shown_file(note), iter(opener)


def _read_entry(stored: entries.Stored) -> SignedEntry:
    """Read a row back as an entry; nothing is verified yet.

    Raises:
        MalformedError: no entry that we write.
    """
    return SignedEntry.from_stored(
        open_part=stored.open_part,
        signature=stored.signature,
        epoch=stored.epoch,
        header=stored.header,
        payload=stored.payload,
        removal=stored.removal,
    )


def read_entry_of(desk: Desk, keys: MailboxKeys, entry_id: bytes) -> Content:
    """Return the content of one entry of this mailbox.

    Raises:
        NotFoundError: it is not there, was removed, or does not verify.
    """
    try:
        return open_entry(_find(desk, keys, entry_id), [keys.identity])
    except CryptoError as why:
        raise NotFoundError from why


def _read(stored: Sequence[entries.Stored]) -> tuple[list[SignedEntry], bool]:
    signed: list[SignedEntry] = []
    unreadable = False
    for row in stored:
        try:
            signed.append(_read_entry(row))
        except CryptoError:
            unreadable = True
    return signed, unreadable


def _find(desk: Desk, keys: MailboxKeys, entry_id: bytes) -> SignedEntry:
    """Return one entry that is authentic and stands in this mailbox."""
    with desk.store.reading() as reading:
        stored = entries.find(reading, keys.address, entry_id)
    if stored is None:
        raise NotFoundError
    try:
        signed = _read_entry(stored)
        verify(signed, mailbox_verify_key=keys.verify_key, strands=desk.letterhead.strand_keys)
    except CryptoError as why:
        raise NotFoundError from why
    if (signed.open_part.address, signed.open_part.entry_id) != (keys.address, entry_id):
        raise NotFoundError
    return signed


def _seen_up_to(checked: Sequence[SignedEntry]) -> int:
    """Return the number of the source's newest entry that the desk had before it."""
    own = {each.digest: each.open_part.number for each in checked if each.open_part.author is Author.SOURCE}
    by_desk = (each.open_part.seen for each in checked if each.open_part.author is Author.DESK)
    return max((own.get(digest, 0) for seen in by_desk for digest in seen), default=0)


def _waiting(spoken: Sequence[SignedEntry]) -> Sequence[SignedEntry]:
    """Return what the source said after the newest thing the desk said; no mark is among `spoken`."""
    waiting: list[SignedEntry] = []
    for each in spoken:
        if each.open_part.author is Author.DESK:
            waiting.clear()
        elif each.removal is None:
            waiting.append(each)
    return waiting


def _shown_alone(signed: SignedEntry, keys: MailboxKeys) -> ShownEntry:
    try:
        content = None if signed.removal is not None else open_entry(signed, [keys.identity])
    except CryptoError as why:
        raise NotFoundError from why
    return _shown(signed, content, 0)


def _shown(signed: SignedEntry, content: Content | None, seen_up_to: int) -> ShownEntry:
    part = signed.open_part
    is_own = part.author is Author.SOURCE
    return ShownEntry(
        id=part.entry_id.hex(),
        is_own=is_own,
        day=part.day,
        text="" if content is None else content.text,
        files=() if content is None else tuple(map(_shown_file, content.attachments)),
        is_removed=content is None,
        is_seen=is_own and part.number <= seen_up_to,
        words=digest_words(signed.digest),
    )


def _shown_file(note: AttachmentNote) -> ShownFile:
    return ShownFile(note.id.hex(), safe_name(note.name), note.size)


# ---- deleting --------------------------------------------------------------------------------------


def delete_entry(desk: Desk, keys: MailboxKeys, entry_id: bytes, *, today: date) -> None:
    """Make one entry of this mailbox and its files unreadable, for the desk too. It is the source's mailbox.

    Raises:
        NotFoundError: this mailbox holds no such entry.
    """
    signed = _find(desk, keys, entry_id)
    statement = removal(signed.digest, address=keys.address, by=SourceWriter(keys), day=today)
    with desk.store.writing() as writing:
        entries.remove(writing, keys.address, entry_id, removal=statement)


def end_mailbox(desk: Desk, opened: Opened, keys: MailboxKeys, *, today: date) -> None:
    """Make everything in a mailbox unreadable and forget the session. Ended twice is ended."""
    with desk.store.reading() as reading:
        heads = {
            StrandId(head.strand): (head.number, Digest(head.digest))
            for head in entries.heads(reading, keys.address)
        }
    statement = ended(keys.address, heads, day=today, by=SourceWriter(keys))
    with suppress(MailboxMissingError), desk.store.writing() as writing:  # missing: ended in another tab
        mailboxes.end(writing, keys.address, statement=statement, day=today)
    log_out(desk, opened.token)
