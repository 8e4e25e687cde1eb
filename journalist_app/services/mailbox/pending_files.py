"""Pending files: uploaded files that are encrypted and stored before their entry is appended."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final

from crypto.age import PQRecipient
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import MailboxNotFoundError, SendRefusal, SendRefusedError
from protocol import attachment
from protocol.content import AttachmentNote
from protocol.identifiers import ATTACHMENT_ID_BYTES, Address, AttachmentId, EntryId
from store import attachments
from store.attachments import ChunkWriter
from store.errors import NoSuchMailboxError, QuotaError, StoreError
from store.quota import Quota
from web.filenames import safe_name

_MEDIA_TYPE: Final = "application/octet-stream"  # of every file, because no program reads the type


class PendingFiles:
    """Uploaded files that are encrypted and stored before the entry that refers to them exists.

    If the entry is not sent, these files are deleted.
    """

    def __init__(
        self, desk: OpenDesk, address: Address, mailbox_recipient: bytes, entry_id: EntryId, *, half_hour: int
    ) -> None:
        """Prepare to encrypt files to the desk and to the mailbox's verified public key."""
        self._desk = desk
        self._address = address
        self._recipients = [desk.letterhead.current_epoch[1], PQRecipient.from_bytes(mailbox_recipient)]
        self._entry_id = entry_id
        self._half_hour = half_hour
        self._begun: list[AttachmentId] = []

    def add(self, name: str, pieces: Iterator[bytes]) -> AttachmentNote:
        """Encrypt and store a file while it arrives, and return its description for the entry.

        Raises:
            SendRefusedError: the mailbox or the store has no room for the file.
            MailboxNotFoundError: the mailbox ended before the file was stored.
        """
        attachment_id = AttachmentId(secrets.token_bytes(ATTACHMENT_ID_BYTES))
        sealer = attachment.AttachmentSealer(self._recipients, self._address, self._entry_id, attachment_id)
        config = self._desk.config
        quota = Quota(config.mailbox_bytes, config.store_bytes, config.reserve_bytes)
        chunks = ChunkWriter(self._desk.store, self._address, attachment_id, quota)
        self._begun.append(attachment_id)
        try:
            with self._desk.store.writing(durable=False) as session:
                attachments.begin_upload(
                    session,
                    address=self._address,
                    entry_id=self._entry_id,
                    attachment_id=attachment_id,
                    header=sealer.header,
                    half_hour=self._half_hour,
                )
            for piece in pieces:
                chunks.add(sealer.update(piece))
            for padding in sealer.pad():
                chunks.add(padding)
            last, note = sealer.finish(safe_name(name), _MEDIA_TYPE)
            chunks.add(last)
            chunks.finish()
        except QuotaError as why:
            raise SendRefusedError(SendRefusal.NO_ROOM) from why
        except NoSuchMailboxError as why:
            raise MailboxNotFoundError from why
        return note

    def give_up(self, *, keep: Sequence[AttachmentId] = ()) -> None:
        """Delete the uploaded files of an entry that was not sent, except the files in `keep`.

        If the deletion fails, the clean-up of the store deletes these files later.
        """
        given_up = [each for each in self._begun if each not in keep]
        if given_up:
            with suppress(StoreError), self._desk.store.writing() as session:
                attachments.abandon_uploads(session, self._address, self._entry_id, attachment_ids=given_up)
