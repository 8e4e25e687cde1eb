"""Preparing and sending a proposal: the text, recipient and files to which the source is asked to agree.

First the desk prepares the proposal: it inspects every file, and encrypts the original and, if possible, a
copy without hidden information. The adviser then previews the proposal as the source will see it. Sending
makes the proposal an entry.
"""

import secrets
import threading
from collections.abc import Collection, Iterable, Sequence
from contextlib import ExitStack, suppress
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.desk.verification import OpenedEntry, conversation_of, open_all, require_answerable
from journalist_app.errors import PassOnRefusal, PassOnRefusedError, UnsentRefusedError
from journalist_app.files.file_examiner import CopyForm
from journalist_app.files.pinned_recipients import RecipientKey
from journalist_app.services.mailbox.file_downloads import distinct_notes
from journalist_app.services.mailbox.pending_files import PendingFiles
from journalist_app.services.mailbox.read_thread import source_language
from journalist_app.services.mailbox.send_entries import (
    EntrySender,
    NewWords,
    message_text,
    refuse_if_source_wrote,
)
from journalist_app.services.mailbox.steps import EMPTY_STEP_FORM, StepForm, build_step
from journalist_app.services.passing_on.proposal_files import (
    PreparedFile,
    UploadedFile,
    chosen_files,
    examine_files,
    prepare_file,
)
from journalist_app.services.passing_on.usable_recipients import recipient_by_fingerprint
from journalist_app.services.records import unsent_forms
from protocol.content import (
    REMARK_CHARS,
    Content,
    Kind,
    PassOnRecipient,
    ProposalNote,
    ProposedFile,
    StepName,
    StepNote,
    proposal_digest,
)
from protocol.identifiers import ENTRY_ID_BYTES, Address, AttachmentId, Digest, EntryId
from store.errors import AttachmentMissingError, StoreError
from stored_mailbox.entry_form import FormContext
from web.filenames import distinct_name
from web.languages import closest, known_languages

PREPARED_MAX: Final = 20  # limit of prepared proposals in memory, of all browser windows together


@dataclass(frozen=True, slots=True)
class ProposalForm:
    """Submitted form of a proposal: the recipient's key, the text, and the files chosen from the mailbox.

    `words` is the desk's statement to the source, which is not passed on to the recipient.
    """

    fingerprint: str
    text: str = field(repr=False)
    chosen: tuple[AttachmentId, ...] = ()
    words: StepForm = field(default=EMPTY_STEP_FORM, repr=False)


@dataclass(slots=True)
class PreparedProposal:
    """A proposal that the adviser previews and has not sent yet.

    `step` is the desk's statement to the source about the proposal, or None. The findings about the files
    are in `language`, the language of the page on which the source wrote last.
    """

    form_context: FormContext
    recipient: RecipientKey
    text: str = field(repr=False)
    words: StepForm = field(repr=False)
    step: Content | None
    step_id: EntryId
    files: tuple[PreparedFile, ...]
    pending: PendingFiles = field(repr=False)
    language: str  # of the source

    @property
    def is_busy(self) -> bool:
        """Return True while the files are examined in the background."""
        return not all(file.memory.closed for file in self.files)

    def give_up(self) -> None:
        """Give up this unsent proposal. Its encrypted files are deleted."""
        self.pending.give_up()


def prepare_proposal(  # noqa: PLR0913  # the form has many parts
    desk: OpenDesk,
    form_context: FormContext,
    form: ProposalForm,
    uploads: Iterable[UploadedFile],
    *,
    today: date,
    half_hour: int,
) -> PreparedProposal:
    """Encrypt a proposal's files, and keep the proposal in memory for the adviser's preview.

    The files are examined in the background. If the desk locks before the examination ends, the typed texts
    are stored encrypted.

    Raises:
        SendRefusedError: the text, a file or the step cannot be sent, or the source wrote in the meantime.
        PassOnRefusedError: no recipient was chosen, the key cannot be used, or this desk has no OpenPGP.
        FileRefusedError: a file that was chosen from the mailbox cannot be opened.
        MailboxNotFoundError: the store has no such mailbox.
        UnsoundMailboxError: the mailbox failed verification.
    """
    text = message_text(form.text)
    step = _step(desk, form.words, None, today)
    exporter, recipient = recipient_by_fingerprint(desk, form.fingerprint, today)
    conversation, opened = require_answerable(desk, form_context.address)
    refuse_if_source_wrote(desk, form_context, conversation, opened)
    address, entry_id = form_context.address, form_context.entry_id
    pending = PendingFiles(desk, address, conversation.mailbox.recipient, entry_id, half_hour=half_hour)
    with ExitStack() as on_failure:
        on_failure.callback(pending.give_up)
        found, taken = chosen_files(desk, address, form.chosen, uploads), set[str]()
        files = [
            prepare_file(exporter, pending, (distinct_name(name, taken), pieces), on_failure)
            for name, pieces in found
        ]
        on_failure.pop_all()
    step_id = EntryId(secrets.token_bytes(ENTRY_ID_BYTES))
    prepared = PreparedProposal(
        form_context, recipient, text, form.words, step, step_id, tuple(files), pending, _language(opened)
    )
    while len(desk.prepared) >= PREPARED_MAX:
        desk.prepared.pop(next(iter(desk.prepared))).give_up()
    desk.prepared[entry_id] = prepared

    def examine() -> None:
        examine_files(exporter, pending, prepared.files, desk.stopping)
        if desk.stopping.is_set():
            typed = (("text", text), ("step_text", form.words.text), ("next", form.words.next))
            with suppress(UnsentRefusedError, StoreError):
                unsent_forms.keep_unsent(desk.store, desk.config, f"/mailbox/{address.hex()}", typed, today)

    # The context has the adviser's language, for the sentences about the files.
    threading.Thread(target=copy_context().run, args=[examine], name="examining", daemon=True).start()
    return prepared


def _language(opened: Sequence[OpenedEntry]) -> str:
    """Return the language in which to write to the source, or an empty text if it is unknown."""
    language = source_language(opened)
    return closest(language, known_languages()) if language else ""


def find_prepared(desk: OpenDesk, address: Address, entry_id: EntryId) -> PreparedProposal:
    """Return the prepared proposal with this entry id, which the adviser previews.

    Raises:
        PassOnRefusedError: PREPARATION_GONE: the prepared proposal is no longer in memory.
    """
    prepared = desk.prepared.get(entry_id)
    if not isinstance(prepared, PreparedProposal) or prepared.form_context.address != address:
        raise PassOnRefusedError(PassOnRefusal.PREPARATION_GONE)
    return prepared


def send_proposal(
    desk: OpenDesk, address: Address, entry_id: EntryId, originals: Collection[int], *, today: date
) -> None:
    """Send a source the proposal that the adviser previewed, with a step if the adviser wrote one.

    `originals` has the positions, from 0, of the files to send as they are. For each other file, its
    safe copy is sent. A file without a safe copy is sent as it is. A second call for the same proposal
    changes nothing.

    Raises:
        PassOnRefusedError: the recipient's key can no longer be used, or the prepared proposal is gone.
        SendRefusedError: the form was used for another entry, the source wrote in the meantime, or the step's
            day has passed.
        MailboxNotFoundError: the store has no such mailbox.
        UnsoundMailboxError: the mailbox failed verification.
    """
    if entry_id not in desk.prepared and _was_sent(desk, address, entry_id):
        return
    prepared = find_prepared(desk, address, entry_id)
    recipient_by_fingerprint(desk, prepared.recipient.fingerprint, today)
    content = _content(prepared, originals)
    new = [NewWords(entry_id, content)]
    digest = proposal_digest(content, address=address, entry_id=entry_id)
    step = _step(desk, prepared.words, digest, today)
    if step is not None:
        new.append(NewWords(prepared.step_id, step))
    try:
        EntrySender(desk, prepared.form_context, new, today=today).send()
    except AttachmentMissingError as why:  # files without an entry are deleted after a day
        del desk.prepared[entry_id]
        raise PassOnRefusedError(PassOnRefusal.PREPARATION_GONE) from why
    desk.prepared.pop(entry_id, None)
    prepared.pending.give_up(keep=[note.id for note in content.attachments])


def _step(desk: OpenDesk, words: StepForm, proposal: Digest | None, today: date) -> Content | None:
    """Return the step that the adviser typed to explain a proposal, or None if the adviser typed nothing."""
    if not words.has_words:
        return None
    note = StepNote(step=StepName.PROPOSAL_MADE, proposal=proposal)
    return build_step(words, note, desk.letterhead, today)


def _content(prepared: PreparedProposal, originals: Collection[int]) -> Content:
    chosen = [
        (file, file.original if place in originals or file.copy is None else file.copy)
        for place, file in enumerate(prepared.files)
    ]
    recipient = prepared.recipient
    return Content(
        kind=Kind.PROPOSAL,
        text=prepared.text,
        attachments=tuple(distinct_notes(copy.note for _, copy in chosen)),
        proposal=ProposalNote(
            recipient=PassOnRecipient(recipient.role),
            name=recipient.name,
            fingerprint=recipient.fingerprint,
            files=tuple(
                ProposedFile(
                    attachment_id=copy.note.id,
                    sha256=copy.sha256,
                    is_cleaned=copy is file.copy,
                    about=_about(file, prepared.language, is_copy=copy is file.copy),
                )
                for file, copy in chosen
            ),
        ),
    )


def _about(file: PreparedFile, language: str, *, is_copy: bool) -> str:
    """Return a file's hidden information as text for the source. For a copy, say if it has only pictures."""
    more = file.remarks[-1:] if is_copy and file.form is CopyForm.PAGES else ()
    return replace(file.findings, lines=(*file.findings.lines, *more)).text_in(language, REMARK_CHARS)


def _was_sent(desk: OpenDesk, address: Address, entry_id: EntryId) -> bool:
    return any(
        each.signed.envelope.entry_id == entry_id and each.content is not None
        for each in open_all(desk, conversation_of(desk, address))
    )
