"""Own entries: what the source wrote since a page was made, and the heads that a new entry signs.

A new message reads and verifies only these entries, so it takes as long in a mailbox of 2,000 entries as in a
new one. The page had verified the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy.orm import Session

from crypto.errors import CryptoError
from protocol.entry import SignedEntry, check_entry_signature, sign_entry
from protocol.envelope import Author, EntryClass, Envelope
from protocol.heads import Heads, next_number
from protocol.identifiers import SOURCE_STRAND, Digest, EntryId, StrandId
from protocol.mailbox_keys import MailboxKeys
from protocol.strand import SourceWriter, StrandKey
from protocol.transcript.check import heads_after
from source_app.errors import MailboxFullError, MailboxGoneError
from source_app.public_desk import PublicDesk
from source_app.services.form_context import FormContext
from store import entries, mailboxes
from store.mailboxes import StoredMailbox
from stored_mailbox.reading import parse_rows


@dataclass(frozen=True, slots=True)
class OwnEntries:
    """The mailbox's row, the source's verified entries since a page, and what a new entry of a form signs.

    `sent` has those entries that have the form's entry id: the same form was sent before.
    """

    mailbox: StoredMailbox
    sent: tuple[SignedEntry, ...]
    entry_id: EntryId
    heads: Heads
    unseen: Heads


def read_own_entries(session: Session, keys: MailboxKeys, form_context: FormContext) -> OwnEntries:
    """Read and verify the source's entries from the newest one that the form's page had shown.

    An entry that fails the check is left out.

    Raises:
        MailboxGoneError: the mailbox has ended.
    """
    mailbox = mailboxes.find(session, keys.address)
    if mailbox is None:
        raise MailboxGoneError
    _, heads, _ = form_context.parse()
    number = min((head.number for head in heads if head.strand == SOURCE_STRAND), default=1)
    rows = entries.of_strand(session, keys.address, Author.SOURCE, SOURCE_STRAND, number=number)
    signed, _ = parse_rows(rows)
    newer = [entry for entry in signed if entry.envelope.number >= number and is_authentic(entry, keys)]
    return after_form(mailbox, form_context, newer)


def after_form(mailbox: StoredMailbox, form_context: FormContext, newer: Sequence[SignedEntry]) -> OwnEntries:
    """Return what a new entry of a form signs, after the source's verified entries `newer`.

    Of the desk's entries it signs those that the form names, whatever the store shows now.
    """
    entry_id, heads, unseen = form_context.parse()
    sent = tuple(entry for entry in newer if entry.envelope.entry_id == entry_id)
    return OwnEntries(mailbox, sent, entry_id, heads_after(heads, newer), unseen)


def is_authentic(
    entry: SignedEntry, keys: MailboxKeys, strands: Mapping[StrandId, StrandKey] | None = None
) -> bool:
    """Return True if the source, or a workstation among `strands`, signed this entry for this mailbox."""
    try:
        check_entry_signature(entry, mailbox_verify_key=keys.verify_key, strands=strands or {})
    except CryptoError:
        return False
    return entry.envelope.address == keys.address


def sign_without_content(  # noqa: PLR0913  # each is a field of the envelope
    desk: PublicDesk,
    keys: MailboxKeys,
    entry_class: EntryClass,
    *,
    entry_id: EntryId,
    heads: Heads,
    unseen: Heads,
    day: date,
    removes: tuple[Digest, ...] = (),
) -> SignedEntry:
    """Sign an entry of the source without an encrypted part: a receipt, a removal or an end."""
    return sign_entry(
        Envelope(
            address=keys.address,
            entry_id=entry_id,
            entry_class=entry_class,
            strand=SOURCE_STRAND,
            heads=heads,
            unseen=unseen,
            day=day,
            letterhead_serial=desk.letterhead.serial,
            removes=removes,
        ),
        by=SourceWriter(keys),
    )


def require_room(session: Session, desk: PublicDesk, own: OwnEntries, *, spare: int = 0) -> None:
    """Require that the mailbox may have another entry. `spare` entries may exceed the limit on their number.

    Raises:
        MailboxFullError: the source's entries have reached the limit on their number or on their bytes.
    """
    limits = desk.limits
    if next_number(own.heads, SOURCE_STRAND) > limits.entries + spare:
        raise MailboxFullError
    if spare or own.mailbox.sealed_bytes < limits.entries_bytes:  # includes files: no need to count entries
        return
    if entries.sealed_bytes(session, own.mailbox.address) >= limits.entries_bytes:
        raise MailboxFullError
