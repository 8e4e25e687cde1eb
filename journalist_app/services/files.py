"""Files on their way out."""

from collections.abc import Iterator
from dataclasses import dataclass

from crypto import attachment
from crypto.entry import AttachmentNote
from crypto.names import (
    Address,
    AttachmentId,
    EntryId,
)
from journalist_app.desk import OpenDesk
from journalist_app.errors import (
    FileMissingError,
)
from journalist_app.verification import Conversation, conversation_of, open_all
from store import attachments
from web.filenames import safe_name


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
    conversation = conversation_of(desk, address)
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
