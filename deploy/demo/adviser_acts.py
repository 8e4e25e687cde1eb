"""Acts of the invented adviser in a mailbox, done with the functions of the adviser's interface."""

import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from deploy.demo.stories import Event
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.services.closing import close_mailbox
from journalist_app.services.mailbox.answering import AnswerSender, ReplyForm
from journalist_app.services.mailbox.desk_read_receipts import append_desk_read_receipt
from journalist_app.services.mailbox.read_thread import ShownThread, open_thread
from journalist_app.services.mailbox.steps import StepForm
from journalist_app.services.passing_on.make_export import make_export
from journalist_app.services.passing_on.pass_on import WithoutConsent, begin_passing_on, record_handover
from journalist_app.services.passing_on.proposing import ProposalForm, prepare_proposal, send_proposal
from journalist_app.services.passing_on.usable_recipients import available_recipients
from journalist_app.services.records import drafts
from protocol.identifiers import ENTRY_ID_BYTES, Address, EntryId
from web.dates import half_hour_now


@dataclass(frozen=True, slots=True)
class AdvisedMailbox:
    """Mailbox, and the unlocked desk of its adviser."""

    desk: OpenDesk
    address: Address

    def open(self, day: date) -> ShownThread:
        """Open the mailbox's page, and send the source a read receipt for what the page showed."""
        shown = open_thread(self.desk, self.address, today=day, is_whole=True)
        append_desk_read_receipt(self.desk, shown.conversation, shown.opened, today=day)
        return shown


def _read(mailbox: AdvisedMailbox, _event: Event, day: date) -> None:
    mailbox.open(day)


def _answer(mailbox: AdvisedMailbox, event: Event, day: date) -> None:
    step_id = EntryId(secrets.token_bytes(ENTRY_ID_BYTES))
    form = ReplyForm(mailbox.open(day).new_form(), event.text, _step(mailbox, event, day), step_id)
    with AnswerSender(mailbox.desk, form, today=day, half_hour=half_hour_now()) as sender:
        sender.send()


def _step(mailbox: AdvisedMailbox, event: Event, day: date) -> StepForm:
    by = mailbox.desk.letterhead.working_days_after(day, event.by).isoformat() if event.by else ""
    return StepForm(step=event.step, next=event.next, by=by)


def _save_draft(mailbox: AdvisedMailbox, event: Event, _day: date) -> None:
    drafts.keep_draft(mailbox.desk, mailbox.address, event.text)


def _propose(mailbox: AdvisedMailbox, event: Event, day: date) -> None:
    form = mailbox.open(day).new_form()
    typed = ProposalForm(available_recipients(mailbox.desk)[0].fingerprint, event.text)
    prepare_proposal(mailbox.desk, form, typed, (), today=day, half_hour=half_hour_now())
    for thread in threading.enumerate():
        if thread.name == "examining":  # of files, in the background
            thread.join()
    send_proposal(mailbox.desk, mailbox.address, form.entry_id, (), today=day)


def _begin_passing_on(mailbox: AdvisedMailbox, event: Event, day: date) -> None:
    """Begin to pass on the newest proposal.

    If the event has a text, pass on without the source's consent. The text is the reason.
    """
    shown = mailbox.open(day)
    without = WithoutConsent(event.text, is_confirmed=True) if event.text else None
    begin_passing_on(mailbox.desk, shown.new_form(), _newest_proposal(shown), today=day, without=without)


def _make_file(mailbox: AdvisedMailbox, _event: Event, day: date) -> None:
    shown = mailbox.open(day)
    make_export(mailbox.desk, shown.new_form(), _newest_proposal(shown), today=day).close()


def _hand_over(mailbox: AdvisedMailbox, event: Event, day: date) -> None:
    shown, words = mailbox.open(day), StepForm(next=event.next)
    form, proposal = shown.new_form(), _newest_proposal(shown)
    record_handover(mailbox.desk, form, proposal, words, delivered=day.isoformat(), today=day)


def _newest_proposal(shown: ShownThread) -> EntryId:
    return shown.thread_state.proposals[-1].entry_id


def _close(mailbox: AdvisedMailbox, event: Event, day: date) -> None:
    close_mailbox.close_mailbox(mailbox.desk, mailbox.open(day).new_form(), event.text, today=day)


def _close_abandoned(mailbox: AdvisedMailbox, _event: Event, day: date) -> None:
    """Close a mailbox in which no one writes any more, as the app does after some months."""
    due = close_mailbox.choose_early_deletion_day(mailbox.desk, day)
    form = mailbox.open(day).new_form()
    close_mailbox.close_until(mailbox.desk, form, "", due, today=day, is_automatic=True)


def _close_as_spam(mailbox: AdvisedMailbox, _event: Event, day: date) -> None:
    close_mailbox.close_as_spam(mailbox.desk, mailbox.open(day).new_form(), today=day)


NEED_OPENPGP: Final = frozenset({"adviser proposes"})  # and what follows from a proposal
ADVISER_ACTS: Final[Mapping[str, Callable[[AdvisedMailbox, Event, date], None]]] = {
    "adviser reads": _read,
    "adviser answers": _answer,
    "adviser saves a draft": _save_draft,
    "adviser proposes": _propose,
    "adviser begins to pass on": _begin_passing_on,
    "adviser makes the file": _make_file,
    "adviser hands over": _hand_over,
    "adviser closes": _close,
    "adviser closes as spam": _close_as_spam,
    "app closes an abandoned mailbox": _close_abandoned,
}
