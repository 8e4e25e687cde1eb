"""File for a recipient: a proposal's text and files, encrypted to the recipient and signed by the desk."""

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from datetime import date
from typing import BinaryIO, cast

import msgspec

from crypto.errors import ForgedError
from journalist_app.desk.casefile import Casefile, PassedOn
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.desk.verification import Conversation, OpenedEntry, thread_of
from journalist_app.errors import FileRefusal, FileRefusedError, PassOnRefusal, PassOnRefusedError
from journalist_app.services.mailbox import file_downloads
from journalist_app.services.mailbox.send_entries import EntrySender, NewWords, due_of_step
from journalist_app.services.passing_on.pass_on import is_confirmed_by_server
from journalist_app.services.passing_on.proposal_consent import (
    find_begun,
    find_proposal,
    note_of_proposal,
    refuse_restored_server,
    verified_thread,
)
from journalist_app.services.passing_on.usable_recipients import recipient_of_proposal
from journalist_app.services.records import casefiles, consent_evidence
from protocol.content import Content, Kind, StepName, StepNote
from protocol.identifiers import Address, EntryId
from protocol.transcript.proposal_states import ProposalState, ProposalStatus
from protocol.transcript.thread_state import ThreadStep
from stored_mailbox.entry_form import FormContext


def make_export(desk: OpenDesk, form_context: FormContext, proposal_id: EntryId, *, today: date) -> BinaryIO:
    """Make the encrypted file for a proposal's recipient, and return it as an open temporary file.

    Closing the temporary file deletes it. The first time, a step in the mailbox tells the source that the
    file was made.

    Raises:
        PassOnRefusedError: the proposal may not be passed on now, its recipient cannot be used, or the disk
            is full.
        FileRefusedError: a file differs from the one that the source was shown.
        SendRefusedError: the form was used for another entry, or the source wrote in the meantime.
        MailboxNotFoundError: the store has no such mailbox.
        UnsoundMailboxError: the mailbox failed verification.
    """
    address = form_context.address
    conversation, _, thread = verified_thread(desk, address)
    proposed = find_proposal(thread, proposal_id)
    begun = find_begun(conversation, thread, proposed)
    is_first = proposed.state is ProposalStatus.PASSING_ON
    if is_first and not is_confirmed_by_server(desk, address, thread, proposed):
        raise PassOnRefusedError(PassOnRefusal.NOT_CONFIRMED)
    if is_first and not begun.without_consent:
        refuse_restored_server(desk)
    exporter, recipient = recipient_of_proposal(desk, note_of_proposal(proposed), today)
    consent_evidence.keep_evidence(desk, address, proposed)  # again: the app may have stopped before
    files = _signed_files(desk, address, proposed)
    made = _write_whole(desk, exporter.make(recipient, proposed.content.text, files, today))
    try:
        _record_made(desk, form_context, proposed, begun, conversation, today=today)
    except BaseException:
        made.close()
        raise
    return made


def _write_whole(desk: OpenDesk, pieces: Iterator[bytes]) -> BinaryIO:
    """Write the whole encrypted file to disk before the adviser gets any part of it.

    Raises:
        PassOnRefusedError: the disk has no room for the file.
    """
    # The file can be too long for memory. On the disk it is safe, because this workstation cannot decrypt it.
    file = cast("BinaryIO", tempfile.TemporaryFile(dir=desk.config.trusted_state_path.parent))  # noqa: SIM115  # the caller closes it
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


def _record_made(  # noqa: PLR0913  # each is a part of the step
    desk: OpenDesk,
    form_context: FormContext,
    proposed: ProposalState,
    begun: ThreadStep,
    before: Conversation,
    *,
    today: date,
) -> None:
    """Record in the desk's notes about a mailbox that the recipient's file was made.

    The first time, a step in the mailbox tells the source. `before` is the mailbox before this step.

    Raises:
        PassOnRefusedError: the source withdrew the consent in time, so nothing was appended or recorded.
    """
    # The mailbox is verified again, because a withdrawal has perhaps arrived from the server.
    address, note = form_context.address, note_of_proposal(proposed)

    def still_counts(conversation: Conversation, opened: Sequence[OpenedEntry]) -> None:
        now = thread_of(conversation, opened)
        find_begun(conversation, now, find_proposal(now, proposed.entry_id))

    is_first = proposed.state is ProposalStatus.PASSING_ON
    if is_first:
        step = StepNote(  # the next step and its day stay the same
            step=StepName.PASSED_ON, to=note.name, proposal=proposed.digest, next=begun.next, by=begun.by
        )
        words = Content(kind=Kind.STEP, text="", step=step)
        new = [NewWords(form_context.entry_id, words, due_of_step(before, today))]
        EntrySender(desk, form_context, new, today=today, precondition=still_counts).send()
    passed = PassedOn(
        recipient=note.recipient.value,
        with_consent=not begun.without_consent,
        made=today,
        proposal=proposed.digest,
        begun=next(
            (each.envelope.strand, each.envelope.number)
            for each in before.entries
            if each.envelope.strand and each.envelope.entry_id == begun.entry_id
        ),
    )
    casefiles.update_casefile(
        desk, address, lambda casefile: _add_passed_on(casefile, passed, is_first=is_first)
    )


def _add_passed_on(casefile: Casefile, passed: PassedOn, *, is_first: bool) -> Casefile:
    """Note in a casefile that a proposal's file was made.

    With `is_first`, the new note replaces an earlier note about this proposal. Otherwise an earlier note
    stays, and no note is added.
    """
    others = tuple(each for each in casefile.passed_on if each.proposal != passed.proposal)
    if not is_first and len(others) < len(casefile.passed_on):
        return casefile
    return msgspec.structs.replace(casefile, passed_on=(*others, passed))


def _signed_files(
    desk: OpenDesk, address: Address, proposed: ProposalState
) -> Iterator[tuple[str, Iterator[bytes]]]:
    files = note_of_proposal(proposed).files
    for note, file in zip(proposed.content.attachments, files, strict=True):
        try:
            download = file_downloads.open_download(desk, address, note.id)
        except ForgedError as why:
            raise FileRefusedError(FileRefusal.BROKEN) from why
        yield download.name, _checked(download.pieces, file.sha256)


def _checked(pieces: Iterator[bytes], sha256: bytes) -> Iterator[bytes]:
    """Yield the pieces of a file of a proposal. At the end, check that the file has the signed digest.

    Raises:
        FileRefusedError: the file has another digest.
    """
    digest = hashlib.sha256()
    try:
        for piece in pieces:
            digest.update(piece)
            yield piece
    except ForgedError as why:
        raise FileRefusedError(FileRefusal.BROKEN) from why
    if digest.digest() != sha256:
        raise FileRefusedError(FileRefusal.BROKEN)
