"""Facts for the yearly report, such as the day of the first answer, saved in each mailbox's casefile.

They are saved early, because the source may end the mailbox at any time.
"""

from collections.abc import Sequence
from contextlib import suppress

import msgspec
from protocol.statements.heads import Heads
from protocol.statements.removal import MailboxEnding

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.desk.verification import Conversation, open_one
from journalist_app.errors import CasefileRefusedError, RecordUnsoundError
from journalist_app.inbox.response_facts import response_facts
from journalist_app.services.records import casefiles
from protocol.casefile import Casefile
from protocol.entry import EntryContent, SignedEntry
from protocol.envelope import Author
from protocol.identifiers import NO_DIGEST, SOURCE_STRAND, Address, StrandId
from protocol.letterhead import Letterhead
from store.errors import StoreError


def add_facts(casefile: Casefile, opened: Sequence[EntryContent], letterhead: Letterhead) -> Casefile:
    """Return the casefile with the facts from these entries that the yearly report counts.

    The facts are the days of the first message and of the first answer, and whether the source came back.
    Facts that the casefile already has stay.
    """
    found = response_facts(opened, letterhead)
    return msgspec.structs.replace(
        casefile,
        first_message=min(filter(None, (casefile.first_message, found.first_message)), default=None),
        first_answer=min(filter(None, (casefile.first_answer, found.first_answer)), default=None),
        came_back=casefile.came_back or found.came_back == "yes",
    )


def open_for_counting(desk: OpenDesk, entries: Sequence[SignedEntry]) -> tuple[EntryContent, ...]:
    """Decrypt only the desk's messages, to tell answers from steps that only confirm receipt.

    The source's messages stay encrypted: their content is None in the result.
    """
    return tuple(
        (
            entry,
            open_one(desk, entry).content
            if entry.envelope.author is Author.DESK and entry.envelope.speaks
            else None,
        )
        for entry in entries
    )


def save_counts(desk: OpenDesk, address: Address, opened: Sequence[EntryContent]) -> None:
    """Save facts about a mailbox, which the yearly report counts, in its casefile, if the facts are new.

    Exceptions are suppressed, because the facts are computed again when the mailbox is next opened.
    """
    with suppress(RecordUnsoundError, CasefileRefusedError, StoreError):
        casefile = casefiles.read_casefile(desk, address)
        if add_facts(casefile, opened, desk.letterhead) != casefile:
            casefiles.update_casefile(desk, address, lambda now: add_facts(now, opened, desk.letterhead))


def save_counts_in_background(desk: OpenDesk, conversation: Conversation) -> None:
    """Save the report's facts about a mailbox with new entries, if the mailbox has a casefile already.

    A casefile is made when an adviser opens or answers a mailbox. The background check makes no casefile, for
    two reasons. A thief of the store would think that a mailbox with a casefile has notes. And the first
    check of a full store would write casefiles for hours.
    """
    if conversation.faults:
        return
    with suppress(RecordUnsoundError):
        casefile = casefiles.read_casefile(desk, conversation.address)
        if conversation.address not in desk.casefiles:
            return
        # Without decryption, a step that only confirms receipt looks like an answer. So decryption can only
        # find fewer new facts, and none if there is no new fact here.
        unopened = [(entry, None) for entry in conversation.entries]
        if add_facts(casefile, unopened, desk.letterhead) != casefile:
            save_counts(desk, conversation.address, open_for_counting(desk, conversation.entries))


def add_facts_of_ending(desk: OpenDesk, casefile: Casefile, ended: MailboxEnding) -> Casefile:
    """Return the casefile, with `came_back` set if a mailbox's ending shows that the source read an answer.

    A source who reads an answer and ends the mailbox at once leaves no read receipt for a check to find. But
    the signed ending names the newest entry of the source and of each workstation. The source came back if
    two facts are true: the source wrote an entry (such as a read receipt) after our last check, and the
    mailbox had all entries of the desk that this check knew.
    """
    known = desk.trusted_state.mailboxes.get(ended.address, {})
    had_ours = all(
        _number(known, strand) <= _number(ended.heads, strand) for strand in known if strand != SOURCE_STRAND
    )
    moved_on = 0 < _number(known, SOURCE_STRAND) < _number(ended.heads, SOURCE_STRAND)
    return msgspec.structs.replace(casefile, came_back=casefile.came_back or (had_ours and moved_on))


def _number(heads: Heads, strand: StrandId) -> int:
    return heads.get(strand, (0, NO_DIGEST))[0]
