"""Read receipts of the source, which tell the desk which of the desk's entries a page has shown."""

from datetime import date

from protocol.envelope import EntryClass
from protocol.heads import next_number
from protocol.identifiers import SOURCE_STRAND
from protocol.mailbox_keys import MailboxKeys
from source_app.public_desk import PublicDesk
from source_app.services.new_entry import draft_entry
from source_app.services.verified_mailbox import SourceMailbox, read_mailbox
from stored_mailbox.appending import PreparedAppend, append_entries
from stored_mailbox.entry_form import FormContext


def append_read_receipt(desk: PublicDesk, keys: MailboxKeys, shown: SourceMailbox, *, today: date) -> None:
    """Append a read receipt if a page showed entries of the desk that the source has not confirmed yet.

    Each entry of the source confirms the desk's entries that the source saw before. If another tab has just
    appended an entry, the mailbox is read again, so that two tabs do not append two receipts. A receipt
    confirms only what this page showed. If the source has used half of the entries that a mailbox may have,
    no receipt is appended: the other half is for messages.

    Raises:
        NoSuchMailboxError: the mailbox has ended.
        StoreError: the store could not write the receipt.
    """
    mailbox: SourceMailbox | None = shown

    def prepare() -> PreparedAppend | None:
        nonlocal mailbox
        now = mailbox or read_mailbox(desk, keys, shown.remembered)
        mailbox = None
        form_context = FormContext.new(keys.address, *now.heads_for(shown.shown))
        draft = draft_entry(desk, keys, form_context, today, (now.row, ()))
        is_half_full = next_number(draft.heads, SOURCE_STRAND) > desk.limits.entries // 2
        if is_half_full or not now.uncovered_words(shown.shown):
            return None
        return draft.append(draft.sign(EntryClass.RECEIPT))

    append_entries(desk.store, prepare)
