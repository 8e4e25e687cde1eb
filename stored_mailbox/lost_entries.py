"""Entries and files that a store has lost, so that the sync can ask another store for them."""

import hashlib
from collections.abc import Callable, Container, Iterable, Mapping
from typing import Final

from protocol.envelope import Author, Envelope, digest_of_files
from protocol.identifiers import Address, Digest, StrandId
from protocol.mailbox_keys import checked_verify_key
from protocol.strand import StrandKey
from protocol.transcript.check import read_transcript
from store import attachments, mailboxes
from store.database.engine import Store
from store.errors import AttachmentMissingError
from stored_mailbox.reading import read_envelopes

_ASKED_AT_ONCE: Final = 256  # a hostile source can name thousands of entries that never existed


def lost_and_given(  # noqa: PLR0913  # three sets of digests
    store: Store,
    address: Address,
    strands: Mapping[StrandId, StrandKey],
    *,
    written: Iterable[Digest] = (),
    asked: Iterable[Digest] = (),
    verified: Container[Digest] = (),
) -> tuple[list[Digest], list[Digest]]:
    """Return which entries of a mailbox this store has lost, and which entries in `asked` it can send.

    Entries are named by their digests. `strands` has the public keys of the desk's workstations. An entry is
    lost in these cases:

    - the entry is not here, although an entry with a valid signature names it. An entry that only retired
      workstations name comes last, because a thief of their keys could name entries that never existed
    - its encrypted part is gone, although the source did not remove the entry
    - its files are gone
    - an entry in `written` names it as unseen: that entry's writer was not shown it

    At most 256 lost entries are returned. An entry can be sent if its signature is valid and its files are
    those that its writer signed. The caller has verified the signatures of the entries in `verified` before.
    """
    with store.reading() as session:
        mailbox = mailboxes.find(session, address)
        found = read_envelopes(session, address)
    if mailbox is None:
        return [], []
    verify_key = checked_verify_key(address, mailbox.recipient, mailbox.verify_key)
    signed = [entry for entry, _ in found]
    checked = read_transcript(address, verify_key, strands, signed, has_content=False, verified=verified)
    authentic, knowledge = checked.authentic, checked.knowledge
    rows = {row.digest: row for entry, row in found if entry.digest == row.digest}
    parts = {digest: entry.envelope for digest, entry in authentic.items() if digest in rows}
    unseen = {head.digest for digest in written if digest in parts for head in parts[digest].unseen}
    removed = {digest for part in parts.values() for digest in part.removes}
    opaque = {
        digest
        for digest, part in parts.items()
        if part.is_words
        and digest not in removed
        and not (rows[digest].has_header and _has_files(store, part))
    }
    sound = [digest for digest in asked if digest in parts.keys() - opaque]
    given = [digest for digest in sound if digest in removed or has_signed_files(store, parts[digest])]
    missing = (knowledge.named.keys() - parts.keys()) | unseen | opaque
    doubted = knowledge.doubted.keys() - parts.keys() - missing
    return [*sorted(missing), *sorted(doubted)][:_ASKED_AT_ONCE], given


def has_signed_files(store: Store, part: Envelope, opens: Callable[[bytes], bool] | None = None) -> bool:
    """Return True if the encrypted files of an entry are those that the entry's writer signed.

    The age header of a file is not signed. `opens` says whether a header can be decrypted. Only a workstation
    can know this. Without `opens`, every header counts as sound.
    """
    with store.reading() as session:
        files = attachments.of_entry(session, part.address, part.entry_id)
    digests: dict[bytes, bytes] = {}
    try:
        for file in files:
            if not file.header or (opens is not None and not opens(file.header)):
                return False
            payload = hashlib.sha256()
            for chunk in attachments.read_chunks(store, part.address, file.attachment_id):
                payload.update(chunk)
            digests[file.attachment_id] = payload.digest()
    except AttachmentMissingError:
        return False
    return digest_of_files(digests.items()) == part.files_sha256


def _has_files(store: Store, part: Envelope) -> bool:
    if not part.files_sha256:
        return True
    if part.author is Author.DESK:  # the desk cannot see that the server lost a file; the files are small
        return has_signed_files(store, part)
    with store.reading() as session:
        return bool(attachments.of_entry(session, part.address, part.entry_id))
