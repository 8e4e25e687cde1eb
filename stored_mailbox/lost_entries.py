"""Entries and files that a store has lost, so that the sync can ask another store for them."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import Session

from protocol.entry import SignedEntry, has_signed_payload
from protocol.envelope import Author, Envelope, digest_of_files
from protocol.identifiers import Address, Digest, StrandId
from protocol.mailbox_keys import checked_verify_key
from protocol.strand import StrandKey
from protocol.transcript.check import Transcript, read_transcript
from store import attachments, mailboxes
from store.database.engine import Store
from store.entries import StoredEnvelope
from store.errors import AttachmentMissingError
from stored_mailbox.reading import read_envelopes

_ASKED_AT_ONCE: Final = 256  # a hostile source can name thousands of entries that never existed


@dataclass(frozen=True, slots=True)
class CheckedEnvelopes:
    """A mailbox in one snapshot of the store, verified without reading its ciphertext.

    `rows` has the row of each parsed entry. A row with a wrong digest is left out.
    """

    mailbox: mailboxes.StoredMailbox
    transcript: Transcript
    rows: Mapping[Digest, StoredEnvelope]


def check_envelopes(
    session: Session,
    address: Address,
    strands: Mapping[StrandId, StrandKey],
    verified: Mapping[Digest, SignedEntry | None] = {},
) -> CheckedEnvelopes | None:
    """Verify the entries of a mailbox without their ciphertext. Return None if there is no such mailbox.

    - `strands`: the public keys of the desk's workstations
    - `verified`: digests of entries whose signatures were verified before. Each value is the parsed entry, or
      None to parse the entry again
    """
    mailbox = mailboxes.find(session, address)
    if mailbox is None:
        return None
    found = read_envelopes(session, address, verified)
    signed = [entry for entry, _ in found]
    needs_key = any(entry.digest not in verified for entry in signed)
    verify_key = checked_verify_key(address, mailbox.recipient, mailbox.verify_key) if needs_key else None
    transcript = read_transcript(address, verify_key, strands, signed, has_content=False, verified=verified)
    rows = {entry.digest: row for entry, row in found if entry.digest == row.digest}
    return CheckedEnvelopes(mailbox, transcript, rows)


def lost_and_given(
    store: Store, checked: CheckedEnvelopes, *, written: Iterable[Digest] = (), asked: Iterable[Digest] = ()
) -> tuple[list[Digest], list[Digest]]:
    """Return two lists of digests: lost entries, and those entries in `asked` that this store can send.

    The first list has at most 256 entries. An entry is lost in these cases:

    - an entry with a valid signature names it, but the store does not have it
    - its encrypted part or its files are gone, although the entry was not removed
    - an entry in `written` lists it as unseen: the writer knew of it, but was not shown it
    """
    rows, authentic = checked.rows, checked.transcript.authentic
    knowledge = checked.transcript.knowledge
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
    # A thief of a retired workstation's key can name entries that never existed: these come last.
    doubted = knowledge.doubted.keys() - parts.keys() - missing
    return [*sorted(missing), *sorted(doubted)][:_ASKED_AT_ONCE], given


def is_readable(entry: SignedEntry, opens: Callable[[bytes], bool]) -> bool:
    """Return True if an entry's encrypted part is the part that was signed, and can be decrypted.

    An entry without an encrypted part is readable too. `opens` returns True if this workstation can decrypt
    an age header. On the server, `opens` accepts every header.
    """
    return entry.header is None or (has_signed_payload(entry) and opens(entry.header))


def has_signed_files(store: Store, part: Envelope, opens: Callable[[bytes], bool] = lambda _: True) -> bool:
    """Return True if the encrypted files of an entry are those that the entry's writer signed.

    The signature does not cover the age header of a file. `opens` returns True if this workstation can
    decrypt such a header. On the server, `opens` accepts every header.
    """
    with store.reading() as session:
        files = attachments.of_entry(session, part.address, part.entry_id)
    digests: dict[bytes, bytes] = {}
    try:
        for file in files:
            if not file.header or not opens(file.header):
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
