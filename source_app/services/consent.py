"""What the source says to a proposal: agreed, declined, changes asked, taken back. No Flask here.

The answer names the proposal by its digest, and takes its place only where the desk wrote nothing since the
look on which the answer rests (docs/protocol.md, "Consent").
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
    ProposalClosedError,
)
from source_app.public_desk import PublicDesk
from source_app.services.append_entry import append_own
from source_app.services.login import MailboxSession
from source_app.services.posting import FormContext, text_of
from source_app.services.reading import ShownProposal, SourceMailbox, read_mailbox, read_proposal
from store.errors import EntryExistsError, HeadMovedError, NoSuchMailboxError

_TRIES = 20  # against a desk that keeps writing; then the store counts as busy
_SPARE_ENTRIES = 100  # so that whoever filled a mailbox can still say no, and take back
_TOO_LATE = frozenset({ProposalStatus.PASSING_ON, ProposalStatus.PASSED_ON})


@dataclass(frozen=True, slots=True)
class ConsentAnswer:
    """What an answer form says, once its token fits: `proposal_id` and `digest` name what was on the page."""

    proposal_id: bytes
    digest: str  # hexadecimal
    form_context: FormContext
    verdict: Verdict
    text: str = field(repr=False)


def purpose(proposal_id: str, digest: str, form_context: FormContext) -> str:
    """Return what the token of an answer form is good for: this proposal, these words, this sheet."""
    return f"answer {proposal_id} {digest} {form_context.entry_id} {form_context.seen}"


def check_answer_form(
    desk: PublicDesk, opened: MailboxSession, proposal_id: str, fields: Mapping[str, str]
) -> ConsentAnswer:
    """Check the shape of an answer.

    Raises:
        AnswerRefusedError: the form is not of this session or names no answer, agreeing was not ticked, asked
            changes are missing, or the text is too long.
    """
    form_context = FormContext(fields.get("entry_id", ""), fields.get("seen", ""))
    digest = fields.get("digest", "")
    if not session.check_form_token(
        fields.get("token", ""), opened.token, purpose(proposal_id, digest, form_context)
    ):
        raise AnswerRefusedError(AnswerRefusal.FORM_EXPIRED)
    text = text_of(fields)
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
    """Append an answer to the proposal that was on the page, if it still may be answered so.

    The same answer sent twice is one entry.

    Raises:
        NotFoundError: this mailbox holds no such proposal.
        ProposalClosedError: it is being passed on; nothing is taken back any more.
        AnswerRefusedError: another proposal lies there than was on the page, a newer one took its place, this
            answer is not open now, or the form was used for another answer.
        MailboxGoneError: the mailbox has ended meanwhile.
        StoreError: the store took nothing.
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
            append_own(
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
            continue  # with another look: it may say something else now
        except MailboxFullError as why:
            raise AnswerRefusedError(AnswerRefusal.MAILBOX_FULL) from why
        except NoSuchMailboxError as why:
            raise MailboxGoneError from why
        return
    raise HeadMovedError("the desk keeps writing in this mailbox")


def _require_open(shown: ShownProposal, verdict: Verdict) -> None:
    if shown.state in _TOO_LATE:
        raise ProposalClosedError
    if shown.state is ProposalStatus.OBSOLETE:
        raise AnswerRefusedError(AnswerRefusal.OBSOLETE)
    if verdict not in shown.may:
        raise AnswerRefusedError(AnswerRefusal.ANSWERED)


def _was_sent_before(mailbox: SourceMailbox, answer: ConsentAnswer, content: Content) -> bool:
    """Tell a double submit from a form that is used again for another answer.

    Raises:
        AnswerRefusedError: the entry of this form says something else, or was removed.
    """
    for signed, before in mailbox.opened:
        if signed.envelope.entry_id.hex() == answer.form_context.entry_id:
            if before != content:
                raise AnswerRefusedError(AnswerRefusal.CHANGED)
            return True
    return False
