"""Advisers at their workstations: an open desk on a replica for each, and one server for all of them."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.services.closing import close_mailbox, ended_mailboxes
from journalist_app.services.desk import sync_replica, unlocking
from journalist_app.services.mailbox import read_thread
from journalist_app.services.mailbox.answering import AnswerSender, ReplyForm
from journalist_app.services.mailbox.send_entries import AdviserFormContext
from protocol import keyring as keyring_format
from protocol.identifiers import EntryId
from protocol.keyring import Keyring
from protocol.ledger import Tally, open_tally
from store import deletion_orders, mailboxes
from store.database.engine import Store
from tests.journalist_app.desk_factories import PASSPHRASE, ASource
from tests.store.factories import all_tallies
from tests.sync.ends import Ends, Line


@dataclass(slots=True)
class AtDesk:
    """Adviser with an open desk at a workstation."""

    ends: Ends
    desk: OpenDesk

    @property
    def store(self) -> Store:
        return self.desk.store

    def syncs(self, through: Callable[[bytes], bytes] | None = None) -> None:
        """Sync, and let the desk check what arrived. Fail if the sync was refused."""
        sync_replica.sync_replica(
            self.desk, self.ends.clock.today, self.ends.clock.half_hour, Line(self.ends, through)
        )
        assert self.desk.exchange.refusal == ""

    def answers(self, source: ASource, words: str) -> None:
        form = ReplyForm(*self._sheet_parts(source), words, None, EntryId(os.urandom(16)))
        with AnswerSender(self.desk, form, today=self.ends.clock.day, half_hour=1) as under_way:
            under_way.send()

    def closes(self, source: ASource, words: str = "Het ga je goed.") -> None:
        close_mailbox.close_mailbox(
            self.desk, AdviserFormContext(*self._sheet_parts(source)), words, today=self.ends.clock.day
        )

    def counts(self, source: ASource) -> None:
        """Acknowledge a mailbox that its source ended, so that it is counted."""
        ended_mailboxes.acknowledge_ended(self.desk, source.keys.address, self.ends.clock.day)

    def sees(self, source: ASource) -> list[str]:
        """Return the texts in a mailbox, with the texts of steps at the end. All of them must verify."""
        thread = read_thread.read_conversation(self.desk, source.keys.address, today=self.ends.clock.day)
        assert thread.faults == ()
        said = [entry.text for entry in thread.entries if entry.kind != "seen"]
        return said + [step.text for step in thread.thread_state.steps if step.text]

    def said(self, source: ASource) -> str:
        """Return the digest of the source's newest entry, as a form sends it."""
        return read_thread.read_conversation(
            self.desk, source.keys.address, today=self.ends.clock.day
        ).source_said

    def tallies(self) -> list[Tally]:
        """Return the tallies in this workstation's ledger."""
        return tallies_of(self.store, self.desk.keyring, self.desk)

    def _sheet_parts(self, source: ASource) -> tuple[object, EntryId, bytes]:
        thread = read_thread.read_conversation(self.desk, source.keys.address, today=self.ends.clock.day)
        return source.keys.address, EntryId(os.urandom(16)), bytes.fromhex(thread.source_said)


def tallies_of(store: Store, keyring: Keyring, desk: OpenDesk) -> list[Tally]:
    with store.reading() as session:
        return [
            open_tally(each, keyring.identities, desk.letterhead.strand_keys) for each in all_tallies(session)
        ]


def an_adviser(ends: Ends, keyring: Keyring | None = None) -> AtDesk:
    """Pair a workstation, and unlock its desk."""
    paired = ends.workstation(keyring)
    folder = paired.replica.path.parent
    keyring_path = folder / "keyring.age"
    keyring_path.touch(mode=0o600)
    keyring_path.write_bytes(keyring_format.seal_keyring(paired.keyring))
    config = replace(
        ends.world.config,
        store_path=paired.replica.path,
        keyring_path=keyring_path,
        trusted_state_path=folder / "trusted-state.age",
        server="unix:/nowhere",
    )
    return AtDesk(ends, unlocking.unlock_desk(config, paired.replica, PASSPHRASE))


def the_server_carries_out_orders(ends: Ends) -> None:
    """Carry out the orders that are due, as `deploy.cleanup.server_cleanup` does."""
    with ends.world.store.writing() as session:
        for order in deletion_orders.all_due(session, ends.clock.day):
            mailboxes.purge_mailbox(
                session, order.address, statement=order.statement, day=ends.clock.day, tallies=order.tallies
            )
