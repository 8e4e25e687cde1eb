"""Closing of many mailboxes as spam in one step: chosen by day, size or text, after a look at each of them.

Attack: someone makes thousands of mailboxes to bury the desk. Only mailboxes in which this desk did nothing
yet can be chosen: no adviser opened them, wrote in them, or made a note about them.
"""

import hashlib
import secrets
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import Final

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.desk.spam_choice import SpamChoice
from journalist_app.desk.verification import Conversation, OpenedEntry, conversation_of, heads_shown, open_all
from journalist_app.errors import SendRefusal, SendRefusedError
from journalist_app.inbox.likeness import HASH_BYTES, is_alike
from journalist_app.inbox.mailbox_summary import MailboxSummary
from journalist_app.services.closing import close_mailbox
from protocol.identifiers import Address
from store.database.one_by_one import work_on_each
from stored_mailbox.entry_form import FormContext

MAILBOX_CHARS: Final = 50_000  # mailboxes with more text are read and closed one by one
PAGE_ROWS: Final = 500
_PAGE_CHARS: Final = 300_000  # text that a page shows, so that a browser can show the page
_PAGES_KEPT: Final = 20
_GROUPS: Final = 10
_GROUP_MIN: Final = 3  # fewer mailboxes with nearly the same text are no group
_FIRST_CHARS: Final = 90
_SAVED_EVERY: Final = 500  # mailboxes


@dataclass(frozen=True, slots=True)
class SpamRow:
    """One mailbox on a page of possible spam, with everything that the source wrote."""

    address: str
    label: str
    day: date
    first_words: str
    texts: tuple[str, ...] = field(repr=False)
    files: tuple[str, ...]


def list_groups(desk: OpenDesk) -> list[tuple[SpamRow, int]]:
    """Return one example of each large group of mailboxes with nearly the same text, and the group's size.

    The size is approximate.
    """
    keys = {Address(each.address): each.likeness[:HASH_BYTES] for each in _untouched(desk)}
    examples = {key: address for address, key in keys.items()}
    groups = [(examples[key], count) for key, count in Counter(keys.values()).most_common(_GROUPS)]
    found = [(_read(desk, address), count) for address, count in groups if count >= _GROUP_MIN]
    return [(_row(desk, *read), count) for read, count in found if read is not None]


def choose_mailboxes(
    desk: OpenDesk,
    days: tuple[date, date] = (date.min, date.max),
    chars: tuple[int, int] = (0, MAILBOX_CHARS),
    like: bytes = b"",
) -> None:
    """Make a new list of untouched mailboxes that the adviser looks through before closing them as spam.

    The list has mailboxes whose first message came within `days`, and whose source wrote a number of
    characters within `chars`. With `like`, the list has only mailboxes with nearly the same text as
    the mailbox `like`.
    """
    found = [
        each
        for each in _untouched(desk)
        if days[0] <= (each.asked or date.min) <= days[1] and chars[0] <= each.chars <= chars[1]
    ]
    if like:
        model = [each.likeness for each in found if each.address == like]
        found = [each for each in found if model and is_alike(each.likeness, model[0])]
    found.sort(key=lambda each: (each.likeness, each.asked, each.address))
    desk.spam_choice = SpamChoice(tuple(Address(each.address) for each in found))


def read_page(desk: OpenDesk, choice: SpamChoice, start: int) -> tuple[str, int, list[SpamRow]]:
    """Read one page of the list of possible spam, from position `start`, counted from 0.

    Return the page's name, the start of the next page, and the page's rows. A mailbox is left out if it was
    opened, has ended or fails verification.
    """
    rows: list[SpamRow] = []
    shown: list[FormContext] = []
    chars, place = 0, start
    while place < len(choice.addresses) and len(rows) < PAGE_ROWS and chars < _PAGE_CHARS:
        read = _read(desk, choice.addresses[place])
        place += 1
        if read is not None:
            rows.append(_row(desk, *read))
            if len({row.texts for row in rows[-2:]}) == len(rows[-2:]):  # a page does not repeat a text
                chars += sum(map(len, rows[-1].texts))
            shown.append(FormContext.new(read[0].address, *heads_shown(desk, *read)))
    name = secrets.token_hex(8)
    with choice.changing:
        choice.pages[name] = tuple(shown)
        while len(choice.pages) > _PAGES_KEPT:
            del choice.pages[next(iter(choice.pages))]
    return name, place, rows


def submit_page(choice: SpamChoice, name: str, spared: Collection[Address]) -> bool:
    """Choose the mailboxes on a page for closing as spam, except the mailboxes in `spared`.

    Call this function after the adviser has looked at the page. If the page is too old or the choice is
    confirmed, the result is False.
    """
    with choice.changing:
        if choice.is_final or name not in choice.pages:
            return False
        for context in choice.pages[name]:
            if context.address in spared:
                choice.spared.add(context.address)
                choice.chosen.pop(context.address, None)
            else:
                choice.spared.discard(context.address)
                choice.chosen[context.address] = context
    return True


def digest_of_choice(choice: SpamChoice) -> str:
    """Return a digest of the chosen mailboxes and of the pages on which the adviser saw them.

    The form with which the adviser confirms the choice contains this digest.
    """
    forms = sorted(context.entry_id for context in list(choice.chosen.values()))  # a random id for each look
    return hashlib.sha256(b"".join(forms)).hexdigest()


def confirm_choice(choice: SpamChoice, digest: str) -> bool:
    """Confirm the chosen mailboxes. From then on, the choice does not change.

    Return False if the choice was confirmed before, or if the form showed other mailboxes.
    """
    with choice.changing:
        if choice.is_final or not choice.chosen or digest_of_choice(choice) != digest:
            return False
        choice.is_final = choice.is_busy = True
    return True


def close_chosen(desk: OpenDesk, choice: SpamChoice, today: date) -> None:
    """Close each chosen mailbox as spam, if it has exactly the entries that the adviser was shown.

    `choice.kept` gets the mailboxes that were not closed. The function ends early when the desk is locked.
    """
    chosen, closed = list(choice.chosen), set[Address]()

    def close(address: Address) -> None:
        context, due = choice.chosen[address], close_mailbox.choose_early_deletion_day(desk, today)
        check = partial(_refuse_changed, desk, context)
        close_mailbox.close_until(desk, context, "", due, today=today, is_spam=True, precondition=check)
        closed.add(address)
        choice.closed += 1

    try:
        for start in range(0, len(chosen), _SAVED_EVERY):
            with desk.saving_once():
                desk.each_mailbox("spam", chosen[start : start + _SAVED_EVERY], close)
    finally:
        choice.kept = [address for address in chosen if address not in closed]
        choice.is_busy = False


def _refuse_changed(
    desk: OpenDesk, shown: FormContext, conversation: Conversation, opened: Sequence[OpenedEntry]
) -> None:
    if heads_shown(desk, conversation, opened) != (shown.heads, shown.unseen):
        raise SendRefusedError(SendRefusal.SOURCE_WROTE)


def _untouched(desk: OpenDesk) -> list[MailboxSummary]:
    """Return the summaries of the short mailboxes in which this desk did nothing yet.

    A short mailbox has at most `MAILBOX_CHARS` characters of text.
    """
    return [
        each
        for each in desk.index.summaries()
        if each.asked and not each.is_confirmed and each.chars <= MAILBOX_CHARS
        if each.address not in desk.casefiles
    ]


def _read(desk: OpenDesk, address: Address) -> tuple[Conversation, Sequence[OpenedEntry]] | None:
    """Verify and decrypt a mailbox.

    Return None if the desk wrote in the mailbox, or if a page cannot show everything in it.
    """
    found, _ = work_on_each([address], partial(conversation_of, desk))
    if not found:
        return None
    conversation, opened = found[0], open_all(desk, found[0])
    is_whole = not conversation.faults and not any(each.fault for each in opened)
    is_untouched = not any(each.signed.envelope.strand for each in opened)
    has_words = any(each.content is not None for each in opened)
    return (conversation, opened) if is_whole and is_untouched and has_words else None


def _row(desk: OpenDesk, conversation: Conversation, opened: Sequence[OpenedEntry]) -> SpamRow:
    contents = [(each.signed.envelope.day, each.content) for each in opened if each.content is not None]
    texts = tuple(content.text for _, content in contents)
    return SpamRow(
        address=conversation.address.hex(),
        label=desk.label(conversation.address),
        day=contents[0][0],
        first_words=" ".join(texts[0][: 4 * _FIRST_CHARS].split())[:_FIRST_CHARS],
        texts=texts,
        files=tuple(note.name for _, content in contents for note in content.attachments),
    )
