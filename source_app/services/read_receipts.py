"""Read receipts of the source, which tell the desk which of the desk's entries a page has shown."""

from collections.abc import Collection
from datetime import date

from protocol.envelope import EntryClass
from protocol.heads import Heads, next_number
from protocol.identifiers import SOURCE_STRAND, Digest
from protocol.mailbox_keys import MailboxKeys
from source_app.public_desk import PublicDesk
from source_app.services.new_entry import draft_entry
from source_app.services.verified_mailbox import read_mailbox
from stored_mailbox.appending import PreparedAppend, append_entries
from stored_mailbox.entry_form import FormContext


def append_read_receipt(
    desk: PublicDesk, keys: MailboxKeys, shown: Collection[Digest], remembered: Heads, *, today: date
) -> None:
    """Append a read receipt if a page showed entries of the desk that the source has not confirmed yet.

    Nothing is appended if the source already wrote half of the entries that a mailbox allows. `shown` has the
    digests of the entries on the page. `remembered` names the newest entries on earlier pages.

    Raises:
        NoSuchMailboxError: the mailbox has ended.
        StoreError: the store could not write the receipt.
    """
    # The mailbox is read again, so that two tabs do not append two receipts. Receipts get half of the
    # source's entries: the other half is for messages. Attack: the operator adds more unreadable entries than
    # a receipt can list. Such a receipt confirms nothing, and each visit would leave another one.

    def prepare() -> PreparedAppend | None:
        now = read_mailbox(desk, keys, remembered)
        form_context = FormContext.new(keys.address, *now.heads_for(shown))
        draft = draft_entry(desk, keys, form_context, today, (now.row, ()))
        is_half_full = next_number(draft.heads, SOURCE_STRAND) > desk.limits.entries // 2
        confirmed = now.transcript.knowledge.within(draft.heads)
        if is_half_full or confirmed.isdisjoint(now.uncovered_words(shown)):
            return None
        return draft.append(draft.sign(EntryClass.RECEIPT))

    append_entries(desk.store, prepare)
