"""Passing on: only what the source agreed to, word for word, or with a written reason that they can read.

In this order: the proposal and the answer are kept as evidence; a signed step says in the mailbox that it
begins, upon the source's head, and there taking back ends; where the mailbox lies on a server, that has
confirmed the step; the file is made, as often as it takes; a step says that it was made, and later another
that it was handed over.
"""

import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from typing import BinaryIO, Final, cast

import msgspec
from msgspec import UNSET
from sqlalchemy.orm import Session

from crypto.errors import ForgedError, UnreadableError
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.desk.verification import Conversation, OpenedEntry, conversation_of, open_all
from journalist_app.errors import (
    FileRefusal,
    FileRefusedError,
    PassOnRefusal,
    PassOnRefusedError,
    UnsoundMailboxError,
)
from journalist_app.files.export import Addressee, Exporter
from journalist_app.services.mailbox import file_downloads, order_deletion
from journalist_app.services.mailbox.send_entries import AdviserFormContext, EntrySender, TransactionHook
from journalist_app.services.mailbox.steps import EMPTY_STEP_FORM, StepForm, build_step, trim_step_text
from journalist_app.services.records import casefiles
from protocol.casefile import Casefile, Evidence, EvidenceKind, PassedOn
from protocol.content import Content, Kind, ProposalNote, StepName, StepNote
from protocol.entry import SignedEntry
from protocol.envelope import Author
from protocol.identifiers import Address, EntryId
from protocol.pouch.pouch_file import SERVER
from protocol.statements.heads import Heads
from protocol.thread_state import (
    EntryContent,
    ProposalState,
    ProposalStatus,
    ThreadState,
    ThreadStep,
    thread_state,
)
from store import entries, outbox, peers
from store.outbox import OutboxKind

REASON_CHARS_MIN: Final = 40  # a sentence: "spoed" is no reason that a source can weigh


@dataclass(frozen=True, slots=True)
class WithoutConsent:
    """To pass on without the source's agreement: why, which the source reads, and a second word."""

    reason: str = field(repr=False)
    is_confirmed: bool


def begin_passing_on(  # noqa: PLR0913  # what, upon what, why and when
    desk: OpenDesk,
    form_context: AdviserFormContext,
    proposal_id: EntryId,
    *,
    today: date,
    half_hour: int,
    without: WithoutConsent | None = None,
    words: StepForm = EMPTY_STEP_FORM,
) -> None:
    """Say in the mailbox, signed, that passing on begins. Once the source can see it, taking back has ended.

    `words` say what comes next; without agreement the reason is their sentence. Begun a second time it does
    nothing.

    Raises:
        ProposalMissingError, ProposalObsoleteError: this is not the mailbox's newest proposal.
        NotAgreedError, TakenBackError, OtherDigestError: the source has not agreed to this very proposal.
        ReasonMissingError: without agreement: there is no reason, or no second word.
        StepOverLimitError, DayUnreadableError, DayPastError, DayClosedError: the words cannot be sent.
        PassOnRefusedError, RecipientChangedError: it could not be made for this recipient.
        MailboxMissingError, UnsoundMailboxError, SourceWroteError: as `Sending` has it.
    """
    opened, stands = _stands(desk, form_context.address)
    proposed = _find(stands, proposal_id)
    if proposed.state in {ProposalStatus.PASSING_ON, ProposalStatus.PASSED_ON}:
        return
    note = _note(proposed)
    _recipient(desk, note, today)
    reason = _reason(without)
    _require_consent(proposed, opened, stands, without)
    step = StepNote(
        step=StepName.PASSING_ON,
        to=note.name,
        proposal=proposed.digest,
        without_consent=without is not None,
    )
    content = build_step(replace(words, text=reason or words.text), step, desk.letterhead, today)

    def is_still_agreed(_: Conversation, opened: tuple[OpenedEntry, ...]) -> None:
        now = thread_state(form_context.address, [(each.signed, each.content) for each in opened])
        _require_consent(_find(now, proposal_id), opened, now, without)

    keep_evidence(desk, form_context.address, proposed)
    with EntrySender(
        desk,
        form_context,
        [(form_context.entry_id, content)],
        today=today,
        half_hour=half_hour,
        rule=is_still_agreed,
        alongside=_nothing_is_deleted(desk, form_context.address, proposed, today),
    ) as under_way:
        under_way.send()


def _nothing_is_deleted(
    desk: OpenDesk, address: Address, proposed: ProposalState, today: date
) -> TransactionHook:
    """Look in the transaction itself: a deletion moves no head."""

    def look(session: Session, heads: Heads, entries_now: tuple[EntryContent, ...]) -> None:
        order_deletion.update_order(desk, session, address, heads, entries_now, today=today)
        needed = [proposed.signed, *([proposed.answer.signed] if proposed.answer else [])]
        for signed in needed:
            row = entries.find(session, address, signed.envelope.entry_id)
            if row is None or row.removal is not None:
                raise PassOnRefusedError(PassOnRefusal.WITHDRAWN)

    return look


def list_unfinished(stands: ThreadState) -> tuple[ProposalState, ...]:
    """Return what is being passed on, and was not said to be handed over."""
    handed_over = {step.proposal for step in stands.steps if step.delivered}
    begun = {ProposalStatus.PASSING_ON, ProposalStatus.PASSED_ON}
    return tuple(each for each in stands.proposals if each.state in begun and each.digest not in handed_over)


def is_confirmed_by_server(
    desk: OpenDesk, address: Address, stands: ThreadState, proposed: ProposalState
) -> bool:
    """Say whether the server has every step by which a proposal is passed on; on one machine it always has.

    While it has not, the source may be taking back what they do not see; and while there is more at the
    server than came in with its word that it has, they may have done so. Whether other workstations have the
    step makes no difference to the source.
    """
    begun = {step.entry_id for step in _steps_of(stands, proposed, StepName.PASSING_ON)}
    with desk.store.reading() as session:
        left = outbox.of_mailbox(session, SERVER, address)
        server = peers.find(session, SERVER)
    if server is not None and server.has_more:
        return False
    return not any(each.kind is OutboxKind.ENTRY and each.name in begun for each in left)


def make_export(
    desk: OpenDesk, form_context: AdviserFormContext, proposal_id: EntryId, *, today: date, half_hour: int
) -> BinaryIO:
    """Make the file for the recipient: the proposal's text and files, sealed to their key, signed by ours.

    What is returned is an open file without a name, sealed as it is; it is gone when it is closed.

    The first time a step says in the mailbox that it was made. It can be made again as long as the mailbox is
    there.

    Raises:
        NotBegunError: passing on has not begun.
        NotConfirmedError: the server has not confirmed that it has.
        TakenBackError: the source took back before they could see that it had.
        PassOnRefusedError, RecipientChangedError: it cannot be made for this recipient.
        NoRoomToMakeError: the workstation's disk has no room for it.
        FileBrokenError: a file is not the one that the source was shown.
        ProposalMissingError, MailboxMissingError, UnsoundMailboxError, SourceWroteError: as `begin` has it.
    """
    _, stands = _stands(desk, form_context.address)
    proposed = _find(stands, proposal_id)
    begun = _begun(stands, proposed)
    is_first = proposed.state is ProposalStatus.PASSING_ON
    if is_first and not is_confirmed_by_server(desk, form_context.address, stands, proposed):
        raise PassOnRefusedError(PassOnRefusal.NOT_CONFIRMED)
    exporter, recipient = _recipient(desk, _note(proposed), today)
    keep_evidence(desk, form_context.address, proposed)  # should the desk have stopped between the two
    all_files = _files(desk, form_context.address, proposed)
    made = _spooled(desk, exporter.make(recipient, proposed.content.text, all_files, today))
    try:
        _say_made(desk, form_context, proposed, begun, today=today, half_hour=half_hour)
    except BaseException:
        made.close()
        raise
    return made


def _spooled(desk: OpenDesk, pieces: Iterator[bytes]) -> BinaryIO:
    """Keep what is sealed to the recipient until it is whole: half of it must not be handed over.

    It lies beside the anchors, without a name: it can be long, and nothing in it can be read here.
    """
    file = cast("BinaryIO", tempfile.TemporaryFile(dir=desk.config.trusted_state_path.parent))  # noqa: SIM115  # handed on
    try:
        for piece in pieces:
            file.write(piece)
        file.seek(0)
    except BaseException as why:
        file.close()
        if isinstance(why, OSError):
            raise PassOnRefusedError(PassOnRefusal.DISK_FULL) from why
        raise
    return file


def _say_made(  # noqa: PLR0913  # what was made, where and when
    desk: OpenDesk,
    form_context: AdviserFormContext,
    proposed: ProposalState,
    begun: ThreadStep,
    *,
    today: date,
    half_hour: int,
) -> None:
    """Say the first time that the file was made, unless it was taken back in time after all.

    It was looked at before the server was known to have confirmed. What crossed came in with that.
    """
    note = _note(proposed)

    def still_counts(_: Conversation, opened: tuple[OpenedEntry, ...]) -> None:
        now = thread_state(form_context.address, [(each.signed, each.content) for each in opened])
        _begun(now, _find(now, proposed.entry_id))

    if proposed.state is ProposalStatus.PASSING_ON:
        step = StepNote(  # what was said to come next, and when, is still to come
            step=StepName.PASSED_ON, to=note.name, proposal=proposed.digest, next=begun.next, by=begun.by
        )
        content = Content(kind=Kind.STEP, text="", step=step)
        with EntrySender(
            desk,
            form_context,
            [(form_context.entry_id, content)],
            today=today,
            half_hour=half_hour,
            rule=still_counts,
            alongside=None
            if begun.without_consent
            else _nothing_is_deleted(desk, form_context.address, proposed, today),
        ) as under_way:
            under_way.send()
    passed = PassedOn(
        recipient=note.recipient.value,
        with_consent=not begun.without_consent,
        made=today,
        proposal=proposed.digest,
    )
    casefiles.update_casefile(desk, form_context.address, lambda casefile: _with_passed_on(casefile, passed))


def record_handover(  # noqa: PLR0913  # what, when and how
    desk: OpenDesk,
    form_context: AdviserFormContext,
    proposal_id: EntryId,
    words: StepForm,
    *,
    delivered: date,
    today: date,
    half_hour: int,
) -> None:
    """Say that what was made was handed over, on which day and how, and what comes next.

    Raises:
        NotBegunError: it was not made yet.
        DayToComeError: the day has not come, or was before it was made.
        StepOverLimitError, DayUnreadableError, DayPastError, DayClosedError: the words cannot be sent.
        ProposalMissingError, MailboxMissingError, UnsoundMailboxError, SourceWroteError: as `begin` has it.
    """
    _, stands = _stands(desk, form_context.address)
    proposed = _find(stands, proposal_id)
    made = _steps_of(stands, proposed, StepName.PASSED_ON)
    if not made:
        raise PassOnRefusedError(PassOnRefusal.NOT_BEGUN)
    if not made[0].day <= delivered <= today:
        raise PassOnRefusedError(PassOnRefusal.HANDOVER_DAY)
    note = _note(proposed)
    step = StepNote(step=StepName.PASSED_ON, to=note.name, proposal=proposed.digest, delivered=delivered)
    content = build_step(words, step, desk.letterhead, today)
    _send(desk, form_context, content, today=today, half_hour=half_hour)
    casefiles.update_casefile(
        desk,
        form_context.address,
        lambda casefile: msgspec.structs.replace(
            casefile,
            passed_on=tuple(
                msgspec.structs.replace(each, delivered=delivered)
                if each.proposal == proposed.digest
                else each
                for each in casefile.passed_on
            ),
        ),
    )


def keep_evidence(desk: OpenDesk, address: Address, proposed: ProposalState) -> None:
    """Copy a proposal and the answer to it into the casefile: the source may end the mailbox tomorrow."""
    kept = [_evidence(EvidenceKind.PROPOSAL, proposed.signed, proposed.content)]
    if proposed.answer is not None:
        kept.append(_evidence(EvidenceKind.ANSWER, proposed.answer.signed, proposed.answer.content))

    def with_evidence(casefile: Casefile) -> Casefile:
        known = {each.entry for each in casefile.evidence}
        new = tuple(each for each in kept if each.entry not in known)
        return msgspec.structs.replace(casefile, evidence=(*casefile.evidence, *new))

    casefiles.update_casefile(desk, address, with_evidence)


def _evidence(kind: EvidenceKind, signed: SignedEntry, content: Content) -> Evidence:
    return Evidence(
        kind=kind,
        day=signed.envelope.day,
        entry=signed.digest,
        body=msgspec.json.encode(content),
        envelope=signed.envelope.to_bytes(),
        signature=signed.signature,
    )


def _with_passed_on(casefile: Casefile, passed: PassedOn) -> Casefile:
    if any(each.proposal == passed.proposal for each in casefile.passed_on):
        return casefile
    return msgspec.structs.replace(casefile, passed_on=(*casefile.passed_on, passed))


def _send(
    desk: OpenDesk, form_context: AdviserFormContext, content: Content, *, today: date, half_hour: int
) -> None:
    with EntrySender(
        desk, form_context, [(form_context.entry_id, content)], today=today, half_hour=half_hour
    ) as under_way:
        under_way.send()


def _stands(desk: OpenDesk, address: Address) -> tuple[tuple[OpenedEntry, ...], ThreadState]:
    conversation = conversation_of(desk, address)
    if conversation.faults:
        raise UnsoundMailboxError
    opened = open_all(desk, conversation)
    return opened, thread_state(address, [(each.signed, each.content) for each in opened])


def _find(stands: ThreadState, proposal_id: EntryId) -> ProposalState:
    found = next((each for each in stands.proposals if each.entry_id == proposal_id), None)
    if found is None:
        raise PassOnRefusedError(PassOnRefusal.PROPOSAL_MISSING)
    return found


def _note(proposed: ProposalState) -> ProposalNote:
    return cast("ProposalNote", proposed.content.proposal)  # what `thread_state` calls a proposal has one


def _steps_of(stands: ThreadState, proposed: ProposalState, name: StepName) -> list[ThreadStep]:
    """Return the steps of a name that count for a proposal."""
    return [
        step
        for step in stands.steps
        if step.proposal == proposed.digest and step.step is name and not step.is_void
    ]


def _begun(stands: ThreadState, proposed: ProposalState) -> ThreadStep:
    begun = _steps_of(stands, proposed, StepName.PASSING_ON)
    if not begun:
        raise PassOnRefusedError(PassOnRefusal.WITHDRAWN if proposed.void else PassOnRefusal.NOT_BEGUN)
    return begun[0]


def _recipient(desk: OpenDesk, note: ProposalNote, today: date) -> tuple[Exporter, Addressee]:
    """Return the pinned recipient that a proposal names: role, name and key as they were shown.

    The settings may have another key under the same name by now. The source agreed to this one.
    """
    if desk.exporter is None:
        raise PassOnRefusedError(PassOnRefusal.NO_OPENPGP)
    wanted = (note.recipient.value, note.name, note.fingerprint)
    for each in desk.exporter.recipients:
        if (each.role, each.name, each.fingerprint) == wanted:
            desk.exporter.require_usable(each.fingerprint, today)
            return desk.exporter, each
    raise PassOnRefusedError(PassOnRefusal.RECIPIENT_CHANGED)


def _reason(without: WithoutConsent | None) -> str:
    if without is None:
        return ""
    reason = trim_step_text(without.reason)
    if len(reason) < REASON_CHARS_MIN or not without.is_confirmed:
        raise PassOnRefusedError(PassOnRefusal.REASON_MISSING)
    return reason


def _require_consent(
    proposed: ProposalState,
    opened: tuple[OpenedEntry, ...],
    stands: ThreadState,
    without: WithoutConsent | None,
) -> None:
    """Refuse what the source did not agree to; with a reason, refuse what is not the newest proposal.

    No agreement counts in a mailbox in which an entry does not open.
    """
    if not proposed.is_newest:
        raise PassOnRefusedError(PassOnRefusal.PROPOSAL_OBSOLETE)
    if without is not None:
        return
    if any(each.fault for each in opened):  # it may be the one that took the agreement back
        raise UnsoundMailboxError
    if proposed.state is ProposalStatus.AGREED:
        return
    if proposed.state is ProposalStatus.TAKEN_BACK:
        raise PassOnRefusedError(PassOnRefusal.WITHDRAWN)
    if proposed.state is ProposalStatus.WAITING and _answers_something_else(opened, stands):
        raise PassOnRefusedError(PassOnRefusal.OTHER_DIGEST)
    raise PassOnRefusedError(PassOnRefusal.NOT_AGREED)


def _answers_something_else(opened: tuple[OpenedEntry, ...], stands: ThreadState) -> bool:
    """Say whether an answer of the source names a proposal that was never made in this mailbox."""
    known = {each.digest for each in stands.proposals}
    return any(
        each.content is not None
        and each.content.answer is not UNSET
        and each.signed.envelope.author is Author.SOURCE
        and each.content.answer.proposal not in known
        for each in opened
    )


def _files(
    desk: OpenDesk, address: Address, proposed: ProposalState
) -> Iterator[tuple[str, Iterator[bytes]]]:
    for note, file in zip(proposed.content.attachments, _note(proposed).files, strict=True):
        try:
            download = file_downloads.open_download(desk, address, note.id)
        except (ForgedError, UnreadableError) as why:
            raise FileRefusedError(FileRefusal.BROKEN) from why
        yield download.name, _checked(download.pieces, file.sha256)


def _checked(pieces: Iterator[bytes], sha256: bytes) -> Iterator[bytes]:
    """Pass on the very bytes that the source was shown, or break off."""
    digest = hashlib.sha256()
    try:
        for piece in pieces:
            digest.update(piece)
            yield piece
    except (ForgedError, UnreadableError) as why:
        raise FileRefusedError(FileRefusal.BROKEN) from why
    if digest.digest() != sha256:
        raise FileRefusedError(FileRefusal.BROKEN)
