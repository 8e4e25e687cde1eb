"""Answers of the source to a proposal to pass on a text: agreed, declined, changes asked, taken back.

An answer contains the digest of the proposal, and signs what the page of the answer form had shown. The whole
mailbox is verified before an answer is appended, and each file of the proposal before an agreement
(docs/protocol.md, "Consent").
"""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from crypto.passphrase import contains_passphrase
from protocol.content import AnswerNote, Content, Kind, Verdict
from protocol.entry import SignedEntry
from protocol.identifiers import Digest
from protocol.mailbox_keys import MailboxKeys
from protocol.transcript.proposal_states import ProposalStatus
from source_app.errors import AnswerRefusal, AnswerRefusedError
from source_app.public_desk import PublicDesk
from source_app.services.login import MailboxSession
from source_app.services.mailbox_files import damaged_files
from source_app.services.new_entry import draft_entry
from source_app.services.posting import form_text
from source_app.services.proposals import ShownProposal, read_proposal
from source_app.services.verified_mailbox import read_mailbox
from stored_mailbox.appending import PreparedAppend, append_entries
from stored_mailbox.entry_form import FormContext

_SPARE_ENTRIES = 100  # so that a source with a full mailbox can still decline, or take back an agreement
_TOO_LATE = frozenset({ProposalStatus.PASSING_ON, ProposalStatus.PASSED_ON})


@dataclass(frozen=True, slots=True)
class ConsentAnswer:
    """Answer of the source to a proposal, from a form whose fields and token were checked.

    `proposal_id` and `digest` are those of the proposal that the page showed.
    """

    proposal_id: bytes
    digest: str  # hexadecimal
    form_context: FormContext
    verdict: Verdict
    text: str = field(repr=False)
    language: str


def answer_action(proposal_id: str, digest: str) -> str:
    """Return the text that binds the CSRF token of an answer form to one proposal."""
    return f"answer {proposal_id} {digest}"


def check_answer_form(
    desk: PublicDesk, opened: MailboxSession, proposal_id: str, fields: Mapping[str, str], language: str
) -> ConsentAnswer:
    """Check the form with which a source answers a proposal, and return the answer.

    `language` is the language of the form's page.

    Raises:
        AnswerRefusedError: the form is from another session, or the answer is invalid, too long or
            incomplete. A text that looks like a passphrase is refused until the source was warned.
    """
    digest = fields.get("digest", "")
    action = answer_action(proposal_id, digest)
    form_context = FormContext.of_form(fields, opened.token, action, opened.keys.address)
    if form_context is None:
        raise AnswerRefusedError(AnswerRefusal.FORM_EXPIRED)
    text = form_text(fields)
    if len(text) > desk.limits.text_chars:
        raise AnswerRefusedError(AnswerRefusal.TEXT_TOO_LONG)
    if not fields.get("warned") and contains_passphrase(text):
        raise AnswerRefusedError(AnswerRefusal.SEVEN_WORDS)
    try:
        verdict = Verdict(fields.get("verdict", ""))
    except ValueError as why:
        raise AnswerRefusedError(AnswerRefusal.FORM_EXPIRED) from why
    if verdict is Verdict.AGREED and not fields.get("sure"):
        raise AnswerRefusedError(AnswerRefusal.NOT_TICKED)
    if verdict is Verdict.AGREED and text:
        raise AnswerRefusedError(AnswerRefusal.WISH_TYPED)
    if verdict is Verdict.CHANGES_ASKED and not text:
        raise AnswerRefusedError(AnswerRefusal.NO_WISH)
    return ConsentAnswer(bytes.fromhex(proposal_id), digest, form_context, verdict, text, language)


def append_consent(
    desk: PublicDesk, keys: MailboxKeys, answer: ConsentAnswer, *, today: date
) -> Sequence[SignedEntry]:
    """Store a source's answer to the desk's proposal to pass on a text, as an entry of the mailbox.

    Return the new entry. If the same answer was stored before, the result is empty.

    Raises:
        NotFoundError: this mailbox has no such proposal.
        AnswerRefusedError: OTHER_PROPOSAL, OBSOLETE, TOO_LATE, ANSWERED, FILE_DOES_NOT_OPEN, CHANGED or
            MAILBOX_FULL.
        NoSuchMailboxError: the mailbox has ended.
        StoreError: the store could not write the answer.
    """

    def prepare() -> PreparedAppend | None:
        mailbox = read_mailbox(desk, keys)
        shown = read_proposal(mailbox, keys, answer.proposal_id)
        if not hmac.compare_digest(answer.digest.encode(errors="replace"), shown.digest.encode()):
            raise AnswerRefusedError(AnswerRefusal.OTHER_PROPOSAL)
        content = Content(
            kind=Kind.ANSWER,
            language=answer.language,
            text=answer.text,
            answer=AnswerNote(verdict=answer.verdict, proposal=Digest(bytes.fromhex(shown.digest))),
        )
        verified = mailbox.row, mailbox.own_entries()
        draft = draft_entry(desk, keys, answer.form_context, today, verified)
        if draft.sent:
            if not any((sent, content) in mailbox.opened for sent in draft.sent):
                raise AnswerRefusedError(AnswerRefusal.CHANGED)
            return None
        _require_open(shown, answer.verdict)
        if answer.verdict is Verdict.AGREED and damaged_files(desk, keys, shown.signed, is_whole=True):
            raise AnswerRefusedError(AnswerRefusal.FILE_DOES_NOT_OPEN)
        if not draft.has_room(spare=_SPARE_ENTRIES):
            raise AnswerRefusedError(AnswerRefusal.MAILBOX_FULL)
        return draft.append(draft.seal(content))

    return append_entries(desk.store, prepare)


def _require_open(shown: ShownProposal, verdict: Verdict) -> None:
    if shown.state in _TOO_LATE:
        raise AnswerRefusedError(AnswerRefusal.TOO_LATE)
    if shown.state is ProposalStatus.OBSOLETE:
        raise AnswerRefusedError(AnswerRefusal.OBSOLETE)
    if verdict not in shown.may:
        raise AnswerRefusedError(AnswerRefusal.ANSWERED)
