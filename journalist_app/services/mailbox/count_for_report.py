"""Facts for the yearly report, such as the day of the first answer, saved in each mailbox's casefile.

They are saved early, because the source may end the mailbox at any time.
"""

from contextlib import suppress

import msgspec

from journalist_app.desk.casefile import Casefile
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.desk.verification import Conversation, open_for_counting
from journalist_app.errors import CasefileRefusedError, RecordUnsoundError
from journalist_app.services.records import casefiles
from protocol.entry import SignedEntry
from protocol.identifiers import SOURCE_STRAND
from protocol.transcript.waiting import non_answers
from store.errors import StoreError


def add_facts(desk: OpenDesk, casefile: Casefile, conversation: Conversation) -> Casefile:
    """Return a copy of the desk's notes about a mailbox, with three facts for the yearly report.

    The facts are the days of the first message and first answer, and whether the source came back. A step
    that only confirms receipt is not an answer.
    """
    opened = open_for_counting(desk, conversation)
    no_answers = non_answers(opened)
    words = [signed for signed, _ in opened if signed.envelope.is_words]
    messages = [signed.envelope.day for signed in words if not signed.envelope.strand]
    by_desk = [signed for signed in words if signed.envelope.strand and signed.digest not in no_answers]
    answers = {signed.digest: signed.envelope.day for signed in by_desk if messages}
    from_source = [signed.digest for signed, _ in opened if not signed.envelope.strand]
    unread = conversation.transcript.knowledge.unknown_to_all(answers, from_source)
    return msgspec.structs.replace(
        casefile,
        first_message=min(filter(None, (casefile.first_message, *messages)), default=None),
        first_answer=min(filter(None, (casefile.first_answer, *answers.values())), default=None),
        came_back=casefile.came_back or len(unread) < len(answers),
    )


def save_counts(desk: OpenDesk, conversation: Conversation) -> None:
    """Save facts about a mailbox for the yearly report in the desk's notes, if the facts are new.

    A failure is ignored, because later checks save the facts again.
    """
    if not conversation.may_answer:
        return
    with suppress(RecordUnsoundError, CasefileRefusedError, StoreError):
        casefile = casefiles.read_casefile(desk, conversation.address)
        if add_facts(desk, casefile, conversation) != casefile:
            casefiles.update_casefile(
                desk, conversation.address, lambda now: add_facts(desk, now, conversation)
            )


def save_counts_in_background(desk: OpenDesk, conversation: Conversation) -> None:
    """Save facts about a mailbox for the yearly report, if an adviser of this workstation opened it."""
    # Otherwise the first check of a full store would write notes about each mailbox for hours, and a thief of
    # the store would believe that the desk had written them.
    address = conversation.address
    if address in desk.casefiles or address in desk.to_count:
        desk.to_count.discard(address)
        save_counts(desk, conversation)


def count_not_arrived(desk: OpenDesk, end: SignedEntry) -> int:
    """Return how many of the source's entries this workstation had not verified when the mailbox ended."""
    known = desk.trusted_state.seen(end.envelope.address).heads
    newest = max((head.number for head in known if head.strand == SOURCE_STRAND), default=0)
    return max(0, end.envelope.number - 1 - newest)


def add_facts_of_end(desk: OpenDesk, casefile: Casefile, end: SignedEntry) -> Casefile:
    """Return a copy of the casefile that also says whether the source came back after an answer.

    `end` is the signed entry with which the source ended the mailbox.
    """
    # A source came back who was shown all our entries, and then wrote an entry that never arrived here, such
    # as a read receipt. Nothing else shows this if the source ended the mailbox right after reading the
    # answer.
    known = desk.trusted_state.seen(end.envelope.address).heads
    newest = {head.strand: head.number for head in end.envelope.heads}
    had_ours = all(newest.get(head.strand, 0) >= head.number for head in known if head.strand)
    moved_on = any(head.strand == SOURCE_STRAND for head in known) and count_not_arrived(desk, end) > 0
    return msgspec.structs.replace(casefile, came_back=casefile.came_back or (had_ours and moved_on))
