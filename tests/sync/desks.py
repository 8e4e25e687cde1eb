"""Advisers at workstations that sync: each has an unlocked desk and a replica, and all have one server."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace

from deploy.sweeping.retention import apply_retention, forget_known
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.services.closing import close_mailbox, ended_mailboxes
from journalist_app.services.mailbox import read_thread
from journalist_app.services.mailbox.answering import AnswerSender, ReplyForm
from journalist_app.services.mailbox.desk_read_receipts import append_desk_read_receipt
from journalist_app.services.mailbox.read_thread import ShownThread
from journalist_app.services.whole_desk import sync_replica, unlocking
from protocol.identifiers import EntryId
from protocol.keyring import Keyring
from protocol.ledger import Tally, counted_tallies, open_tally
from store.database.engine import Store
from stored_mailbox.entry_form import FormContext
from sync.endpoint import Endpoint
from tests.journalist_app.desk_factories import PASSPHRASE, ASource, a_source, new_workstation
from tests.sync.ends import Ends, Line, all_tallies


@dataclass(slots=True)
class AtDesk:
    """Adviser with an unlocked desk at a workstation that syncs."""

    ends: Ends
    desk: OpenDesk

    @property
    def store(self) -> Store:
        return self.desk.store

    @property
    def endpoint(self) -> Endpoint:
        """This workstation's end of a sync, with the clock of the test."""
        return sync_replica.workstation_endpoint(self.desk, self.ends.clock.today, self.ends.clock.half_hour)

    def syncs(self, through: Callable[[bytes], bytes] | None = None) -> None:
        """Sync, and let the desk check what arrived. Fail if the sync was refused."""
        sync_replica.sync_replica(self.desk, self.endpoint, Line(self.ends, through))
        assert self.desk.exchange.refusal == ""

    def answers(self, source: ASource, words: str) -> None:
        context = self.form(source)
        form = ReplyForm(context, words)
        with AnswerSender(self.desk, form, today=self.ends.clock.day, half_hour=1) as under_way:
            under_way.send()

    def closes(self, source: ASource, words: str = "Het ga je goed.") -> None:
        close_mailbox.close_mailbox(self.desk, self.form(source), words, today=self.ends.clock.day)

    def form(self, source: ASource) -> FormContext:
        """Return the context of a form on the page that shows the mailbox now."""
        page = self.reads(source)
        return FormContext(source.keys.address, EntryId(os.urandom(16)), page.heads, page.unseen)

    def reads(self, source: ASource) -> ShownThread:
        return read_thread.open_thread(
            self.desk, source.keys.address, today=self.ends.clock.day, is_whole=True
        )

    def opens(self, source: ASource) -> None:
        """Open the page of a mailbox, which leaves a read receipt."""
        page = self.reads(source)
        append_desk_read_receipt(self.desk, page.conversation, page.opened, today=self.ends.clock.day)

    def counts(self, source: ASource) -> None:
        """Acknowledge a mailbox that its source ended, so that it is counted."""
        ended_mailboxes.acknowledge_ended(self.desk, source.keys.address, self.ends.clock.day)

    def sees(self, source: ASource) -> list[str]:
        """Return the texts in a mailbox, with the texts of steps at the end. All of them must verify."""
        page = self.reads(source)
        assert page.faults == ()
        said = [entry.text for entry in page.entries]
        return said + [step.text for step in page.thread_state.steps if step.text]

    def tallies(self) -> list[Tally]:
        """Return the tallies in this workstation's ledger."""
        return tallies_of(self.store, self.desk.keyring, self.desk)


def tallies_of(store: Store, keyring: Keyring, desk: OpenDesk) -> list[Tally]:
    """Return the tallies in a ledger that count."""
    strands = desk.letterhead.strand_keys
    sealed = all_tallies(store)
    return list(counted_tallies(open_tally(each, keyring.identities, strands) for each in sealed))


def an_adviser(ends: Ends, keyring: Keyring | None = None) -> AtDesk:
    """Pair a workstation, and unlock its desk."""
    paired = ends.workstation(keyring)
    folder = paired.replica.path.parent
    config = replace(
        ends.world.config,
        store_path=paired.replica.path,
        keyring_path=new_workstation(folder, paired.keyring),
        trusted_state_path=folder / "trusted-state.age",
        server="unix:/nowhere",
    )
    return AtDesk(ends, unlocking.unlock_desk(config, paired.replica, PASSPHRASE))


def the_server_cleans_up(ends: Ends) -> None:
    """Delete what is due or known everywhere, as `deploy.sweeping.server_cleanup` does."""
    now = (ends.world.store, ends.newest_letterhead(ends.world.store), ends.clock.day)
    apply_retention(*now)
    forget_known(*now)


def an_answered_source(ends: Ends, adviser: AtDesk) -> ASource:
    """Return a source who wrote and whom the desk answered, after a sync."""
    made = a_source(ends.world)
    made.writes("a secret")
    adviser.syncs()
    adviser.answers(made, "an answer")
    adviser.syncs()
    return made
