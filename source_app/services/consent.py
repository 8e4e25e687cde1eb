"""Answers of the source to a proposal: agreed, declined, changes asked, taken back.

An answer names the proposal by its digest. It is appended only if the desk wrote nothing since the source's
site read the mailbox (docs/protocol.md, "Consent").
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from protocol import session
from protocol.content import AnswerNote, Content, Kind, Verdict
from protocol.identifiers import Digest, EntryId
from protocol.mailbox_keys import MailboxKeys
from protocol.thread_state import ProposalStatus
from source_app.errors import (
    AnswerRefusal,
    AnswerRefusedError,
    DeskWroteError,
    MailboxFullError,
    MailboxGoneError,
)
from source_app.public_desk import PublicDesk
from source_app.services.append_entry import append_with_retry
from source_app.services.login import MailboxSession
from source_app.services.posting import FormContext, form_text
from source_app.services.proposals import ShownProposal, read_proposal
from source_app.services.verified_mailbox import SourceMailbox, read_mailbox
from store.errors import EntryExistsError, HeadMovedError, NoSuchMailboxError

_TRIES = 20  # while the desk writes too; then the store counts as busy
_SPARE_ENTRIES = 100  # in a full mailbox a source can still decline, and take back an agreement
_TOO_LATE = frozenset({ProposalStatus.PASSING_ON, ProposalStatus.PASSED_ON})


@dataclass(frozen=True, slots=True)
class ConsentAnswer:
    """Content of an answer form with a valid token.

    `proposal_id` and `digest` name the proposal that was on the page.
    """

    proposal_id: bytes
    digest: str  # hexadecimal
    form_context: FormContext
    verdict: Verdict
    text: str = field(repr=False)


def answer_purpose(proposal_id: str, digest: str, form_context: FormContext) -> str:
    """Return the purpose of the token of an answer form: this proposal, this text, this form."""
    return f"answer {proposal_id} {digest} {form_context.entry_id} {form_context.seen}"


def check_answer_form(
    desk: PublicDesk, opened: MailboxSession, proposal_id: str, fields: Mapping[str, str]
) -> ConsentAnswer:
    """Check the fields of an answer form.

    Raises:
        AnswerRefusedError: the form was not made in this session, names no answer, lacks the tick or the
            changes that its answer needs, or has a text that is too long.
    """
    form_context = FormContext(fields.get("entry_id", ""), fields.get("seen", ""))
    digest = fields.get("digest", "")
    if not session.check_form_token(
        fields.get("token", ""), opened.token, answer_purpose(proposal_id, digest, form_context)
    ):
        raise AnswerRefusedError(AnswerRefusal.FORM_EXPIRED)
    text = form_text(fields)
    if len(text) > desk.limits.text_chars:
        raise AnswerRefusedError(AnswerRefusal.TEXT_TOO_LONG)
    try:
        verdict = Verdict(fields.get("verdict", ""))
    except ValueError as why:
        raise AnswerRefusedError(AnswerRefusal.FORM_EXPIRED) from why
    if verdict is Verdict.AGREED and not fields.get("sure"):
        raise AnswerRefusedError(AnswerRefusal.NOT_TICKED)
    if verdict is Verdict.CHANGES_ASKED and not text.strip():
        raise AnswerRefusedError(AnswerRefusal.NO_WISH)
    return ConsentAnswer(bytes.fromhex(proposal_id), digest, form_context, verdict, text)


def append_consent(desk: PublicDesk, keys: MailboxKeys, answer: ConsentAnswer, *, today: date) -> None:
    """Append an answer to the proposal that was on the page, if this answer is still possible.

    If the same answer is sent twice, there is one entry.

    Raises:
        NotFoundError: this mailbox has no such proposal.
        AnswerRefusedError: the proposal is another one than on the page, has been replaced, or is being
            passed on. Or this answer is not possible now, or the form was used for another answer.
        MailboxGoneError: the mailbox has ended.
        StoreError: the store accepted nothing.
    """
    for _ in range(_TRIES):
        mailbox = read_mailbox(desk, keys)
        shown = read_proposal(mailbox, keys, answer.proposal_id)
        if not hmac.compare_digest(answer.digest.encode(errors="replace"), shown.digest.encode()):
            raise AnswerRefusedError(AnswerRefusal.OTHER_PROPOSAL)
        content = Content(
            kind=Kind.ANSWER,
            text=answer.text,
            answer=AnswerNote(verdict=answer.verdict, proposal=Digest(bytes.fromhex(shown.digest))),
        )
        if _was_sent_before(mailbox, answer, content):
            return
        _require_open(shown, answer.verdict)
        try:
            append_with_retry(
                desk,
                keys,
                content,
                entry_id=EntryId(bytes.fromhex(answer.form_context.entry_id)),
                seen=answer.form_context.heads,
                today=today,
                spare_entries=_SPARE_ENTRIES,
                only_behind=mailbox.desk_heads,
            )
        except (DeskWroteError, EntryExistsError):
            continue  # and read the mailbox again: the proposal may have another state now
        except MailboxFullError as why:
            raise AnswerRefusedError(AnswerRefusal.MAILBOX_FULL) from why
        except NoSuchMailboxError as why:
            raise MailboxGoneError from why
        return
    raise HeadMovedError("the desk keeps writing in this mailbox")


def _require_open(shown: ShownProposal, verdict: Verdict) -> None:
    if shown.state in _TOO_LATE:
        raise AnswerRefusedError(AnswerRefusal.TOO_LATE)
    if shown.state is ProposalStatus.OBSOLETE:
        raise AnswerRefusedError(AnswerRefusal.OBSOLETE)
    if verdict not in shown.may:
        raise AnswerRefusedError(AnswerRefusal.ANSWERED)


def _was_sent_before(mailbox: SourceMailbox, answer: ConsentAnswer, content: Content) -> bool:
    """Return True if this form was sent twice with the same answer.

    Raises:
        AnswerRefusedError: the form was sent with another answer before, or that answer was removed.
    """
    for signed, before in mailbox.opened:
        if signed.envelope.entry_id.hex() == answer.form_context.entry_id:
            if before != content:
                raise AnswerRefusedError(AnswerRefusal.CHANGED)
            return True
    return False
