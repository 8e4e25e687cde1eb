"""Attached files and pasted encrypted blocks, opened for download, and compared between mailboxes.

Attack: someone captures a text or file that a source encrypted before sending, and sends the copy from
another mailbox. The copy may have other bytes, because anyone can rewrite the form of encrypted bytes without
the key. So the decrypted contents are compared, by digests that exist only in memory.
"""

import hashlib
import itertools
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

import msgspec

from crypto.errors import ForgedError, UnreadableError
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.desk.verification import Conversation, OpenedEntry, conversation_of, open_all
from journalist_app.errors import FileRefusal, FileRefusedError
from journalist_app.files.mail_parts import split_mail
from journalist_app.files.presealed import DECRYPTIONS_PER_PAGE, OpenedFile, PresealedKind, UnopenedReason
from protocol import attachment
from protocol.content import AttachmentNote, Content
from protocol.entry import SignedEntry
from protocol.envelope import Author
from protocol.identifiers import Address, AttachmentId, Digest, EntryId
from store import attachments
from store.errors import AttachmentMissingError, StoreError
from web.filenames import distinct_name, safe_name

_REST: Final = frozenset((b"rest",))  # stands for texts and files of an entry that were not compared


@dataclass(frozen=True, slots=True)
class Download:
    """File to download, decrypted while the caller reads `pieces`.

    If the stored file changes, `pieces` raises an exception before the last piece. `size` is None if it is
    known only after the last piece.
    """

    name: str
    size: int | None
    pieces: Iterator[bytes]


def open_download(
    desk: OpenDesk, address: Address, attachment_id: AttachmentId, *, is_unsealed: bool = False
) -> Download:
    """Verify a whole attached file of a mailbox, and open it for download. This can take three seconds.

    With `is_unsealed`, a file that the source encrypted before sending is decrypted too. A text that only
    quotes an encrypted block stays as it is, if the desk cannot decrypt the block.

    Raises:
        FileRefusedError: no verified entry has such a file, or the desk cannot decrypt what the source
            encrypted.
        UnreadableError: the source's own encryption is damaged, which shows while `pieces` is read.
        MailboxNotFoundError: the store has no such mailbox.
        ForgedError: the stored file is missing, or differs from the file that was signed.
    """
    note, entry = _note_of(desk, conversation_of(desk, address), attachment_id)
    sent = partial(file_pieces, desk, address, entry.signed.envelope.entry_id, note)
    for _ in sent():
        pass
    if is_unsealed and entry.signed.envelope.author is Author.SOURCE:
        file = desk.unsealer().file(note.name, sent())
        if file.info.kind is not PresealedKind.UNOPENED or not file.info.has_rest:
            return _opened(file, note.size if file.info.kind is PresealedKind.NOT_SEALED else None)
    return Download(note.name, note.size, sent())


def open_pasted(desk: OpenDesk, address: Address, entry_id: EntryId, number: int, part: int = 0) -> Download:
    """Decrypt an encrypted block that the source pasted into a message, for download as a file.

    `number` is the number of the block in the message, from 1. `part` is the number of the part in the block,
    from 0.

    Raises:
        MailboxNotFoundError: the store has no such mailbox.
        FileRefusedError: no verified message of the source has this block, or the desk cannot decrypt the
            block.
    """
    for each in open_all(desk, conversation_of(desk, address)):
        entry = each.signed.envelope
        if each.content is not None and (entry.entry_id, entry.author) == (entry_id, Author.SOURCE):
            for file in desk.unsealer().pasted(each.content.text, number, 1):
                opened = _opened(file, None)
                for found in split_mail(b"".join(opened.pieces))[part : part + 1]:
                    return Download(found.name or opened.name, None, iter([found.content]))
    raise FileRefusedError(FileRefusal.MISSING)


def file_pieces(desk: OpenDesk, address: Address, entry_id: EntryId, note: AttachmentNote) -> Iterator[bytes]:
    """Yield the decrypted pieces of an attached file that an entry names.

    Raises:
        ForgedError: the stored file is missing or was changed. This error can come after some pieces.
    """
    # Never UnreadableError: in a download, that means that the source's own encryption is damaged.
    with desk.store.reading() as session:
        stored = attachments.find(session, address, note.id)
    if stored is None or stored.header is None:
        raise ForgedError
    chunks = attachments.read_chunks(desk.store, address, note.id)
    try:
        yield from attachment.AttachmentOpener(
            stored.header, chunks, note, desk.keyring.identities, address, entry_id
        )
    except (UnreadableError, AttachmentMissingError) as why:
        raise ForgedError from why


def _opened(file: OpenedFile, size: int | None) -> Download:
    if file.info.kind is PresealedKind.UNOPENED:
        raise FileRefusedError(FileRefusal.SEALED)
    return Download(safe_name(file.info.name), size, file.pieces)


def find_note(desk: OpenDesk, address: Address, attachment_id: AttachmentId) -> AttachmentNote:
    """Return the name and size of an attached file of a mailbox.

    Raises:
        FileRefusedError: no verified entry has such a file.
        MailboxNotFoundError: the store has no such mailbox.
    """
    return _note_of(desk, conversation_of(desk, address), attachment_id)[0]


def distinct_notes(notes: Iterable[AttachmentNote]) -> Iterator[AttachmentNote]:
    """Yield the notes of attached files, each with a safe file name. A repeated name gets a number."""
    taken: set[str] = set()
    return (msgspec.structs.replace(note, name=distinct_name(note.name, taken)) for note in notes)


def _note_of(
    desk: OpenDesk, conversation: Conversation, attachment_id: AttachmentId
) -> tuple[AttachmentNote, OpenedEntry]:
    for each in open_all(desk, conversation):
        for note in distinct_notes(each.content.attachments if each.content else ()):
            if note.id == attachment_id:
                return note, each
    raise FileRefusedError(FileRefusal.MISSING)


def compare_new_contents(desk: OpenDesk) -> None:
    """Decrypt new texts and files that sources encrypted, to find the same content in several mailboxes.

    Only one thread may call this function.
    """
    known, found = desk.contents.keys(), desk.index.summaries()
    new = {Address(each.address): set(each.presealed) - known for each in found}
    with suppress(StoreError):
        desk.each_mailbox("compare", new, lambda each: _compare(desk, each, new[each]))


def _compare(desk: OpenDesk, address: Address, new: Collection[Digest]) -> None:
    entries = open_all(desk, conversation_of(desk, address)) if new else ()
    until = time.monotonic() + 20  # seconds; the other entries wait until each mailbox has had its turn
    for one in entries:
        is_in_time = not desk.stopping.is_set() and time.monotonic() < until
        if is_in_time and one.content is not None and one.signed.digest in new:
            with suppress(ForgedError):
                desk.contents[one.signed.digest] = frozenset(_digests(desk, one.signed, one.content))


def other_mailboxes(desk: OpenDesk, opened: OpenedEntry) -> tuple[str, ...] | None:
    """Return the labels of other mailboxes that contain the same encrypted text or file as this entry.

    Only what a source encrypted before sending is compared. If the comparison is not complete and found no
    mailbox, the result is None.
    """
    mine = desk.contents.get(opened.signed.digest, _REST)
    same = [
        Address(each.address)
        for each in desk.index.summaries()
        if any(not (mine - _REST).isdisjoint(desk.contents.get(digest, ())) for digest in each.presealed)
    ]
    labels = tuple(desk.label(each) for each in same if each != opened.signed.envelope.address)
    return None if mine & _REST and not labels else labels


def _digests(desk: OpenDesk, signed: SignedEntry, content: Content) -> Iterator[bytes]:
    """Decrypt the source's encrypted blocks and files in an entry, and yield the digests of their contents.

    At most 40 blocks are decrypted, in about 20 seconds. If any are left over, `_REST` is yielded too.
    """
    part, blocks = signed.envelope, desk.unsealer().pasted(content.text, 1, DECRYPTIONS_PER_PAGE + 1)
    pieces = (file_pieces(desk, part.address, part.entry_id, note) for note in content.attachments)
    for file in itertools.chain(blocks, (desk.unsealer().file("", each) for each in pieces)):
        if file.info.reason is UnopenedReason.LATER:
            yield from _REST
        if file.info.kind is PresealedKind.OPENED:
            digest = hashlib.sha256()
            with suppress(UnreadableError):  # what the source encrypted is damaged, and stays so
                for piece in file.pieces:
                    digest.update(piece)
                yield digest.digest()
