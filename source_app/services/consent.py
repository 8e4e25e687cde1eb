"""Answers of the source to a proposal: agreed, declined, changes asked, taken back.

An answer contains the digest of the proposal. The answer is appended only if the desk wrote nothing after the
source's site read the mailbox (docs/protocol.md, "Consent").
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from protocol import session
from protocol.content import AnswerNote, Content, Kind, Verdict
from protocol.identifiers import Digest, EntryId
from protocol.mailbox_keys import MailboxKeys
from protocol.transcript.consent import ProposalStatus
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

_TRIES = 20  # attempts, because the desk may write at the same time
_SPARE_ENTRIES = 100  # so that a source with a full mailbox can still decline, or take back an agreement
_TOO_LATE = frozenset({ProposalStatus.PASSING_ON, ProposalStatus.PASSED_ON})


@dataclass(frozen=True, slots=True)
class ConsentAnswer:
    """Answer to a proposal, from a form whose fields and token were checked.

    `proposal_id` and `digest` are those of the proposal that the page showed.
    """

    proposal_id: bytes
    digest: str  # hexadecimal
    form_context: FormContext
    verdict: Verdict
    text: str = field(repr=False)


def answer_purpose(proposal_id: str, digest: str, form_context: FormContext) -> str:
    """Return the purpose of an answer form's CSRF token, which binds the token to a proposal and a form."""
    return f"answer {proposal_id} {digest} {form_context.entry_id} {form_context.seen}"


def check_answer_form(
    desk: PublicDesk, opened: MailboxSession, proposal_id: str, fields: Mapping[str, str]
) -> ConsentAnswer:
    """Check the fields of an answer form, and return the answer.

    Raises:
        AnswerRefusedError: the form was not made in this session, contains no valid answer, or has a text
            that is too long. Or the source agreed without ticking the box, or asked for changes without
            saying which changes.
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
    """Append an answer to the proposal that the page showed, if this answer is still possible.

    If the same answer is sent twice, only one entry is appended.

    Raises:
        NotFoundError: this mailbox has no such proposal.
        AnswerRefusedError: the page showed another proposal than the mailbox contains, or the proposal has
            been replaced or is being passed on. Or this answer is not possible now, the mailbox is full, or
            the same form was used before to send another answer.
        MailboxGoneError: the mailbox has ended.
        StoreError: the store could not write the answer.
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
            continue  # the proposal may have another state now, so the mailbox is read again
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
    """Return True if the same form with the same answer was sent before.

    Raises:
        AnswerRefusedError: the form was sent before with another answer, or the earlier answer was removed.
    """
    for signed, before in mailbox.opened:
        if signed.envelope.entry_id.hex() == answer.form_context.entry_id:
            if before != content:
                raise AnswerRefusedError(AnswerRefusal.CHANGED)
            return True
    return False
