"""A month of syncs: one workstation over a connection, and the other by files that people carry.

Sources write, delete and end. Advisers note, answer, propose, close and count. Files arrive late, twice or in
the wrong order, and one in each direction never arrives. At the end all stores are equal.
"""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace

import pytest

from deploy.sweeping.retention import forget_known
from journalist_app.errors import SendRefusal, SendRefusedError
from journalist_app.services.inbox_lists import InboxFilter, read_inbox
from journalist_app.services.mailbox.send_entries import EntrySender, NewWords
from journalist_app.services.records import casefiles
from journalist_app.services.whole_desk import sync_replica
from protocol.content import (
    AnswerNote,
    Content,
    Kind,
    PassOnRecipient,
    ProposalNote,
    Verdict,
    proposal_digest,
)
from protocol.entry import SignedEntry
from protocol.ledger import Dimension
from protocol.letterhead import Letterhead
from protocol.pouch.pouch_file import SERVER
from source_app.services.verified_mailbox import read_mailbox
from store import mailboxes, outbox, peers
from store.database.engine import Store
from sync import pending
from sync.build import build_whole_pouch
from tests.journalist_app.desk_factories import TODAY, ASource, a_source
from tests.sync.desks import AtDesk, an_adviser, tallies_of, the_server_cleans_up
from tests.sync.ends import Ends
from tests.sync.test_exchange import all_of

pytestmark = pytest.mark.slow

DAYS = 30
SEED = 1
NOTE = ProposalNote(recipient=PassOnRecipient.SG, name="J. Jansen", fingerprint="AB" * 20)


@dataclass(slots=True)
class Person:
    """Source, and the texts in their mailbox that were not deleted."""

    source: ASource
    theirs: dict[bytes, str] = field(default_factory=dict)  # by entry id
    entries: dict[bytes, SignedEntry] = field(default_factory=dict)
    ours: list[str] = field(default_factory=list)

    @property
    def texts(self) -> Counter[str]:
        return Counter([*self.theirs.values(), *self.ours])


@dataclass(slots=True)
class Road:
    """Pouch files that people carry to one end. Chance decides which file arrives next."""

    chance: random.Random
    under_way: list[bytes] = field(default_factory=list)
    lost: int = 0

    def sends(self, pouch: bytes) -> None:
        self.under_way.append(pouch)

    def loses_one(self) -> None:
        if self.under_way and not self.lost:
            self.under_way.pop(self.chance.randrange(len(self.under_way)))
            self.lost += 1

    def arrive(self) -> Iterator[bytes]:
        """Yield some files in any order. Copies of some stay on the USB stick, and arrive again later."""
        for _ in range(self.chance.randrange(3)):
            if self.under_way:
                place = self.chance.randrange(len(self.under_way))
                yield self.under_way[place]
                if self.chance.random() < 0.7:
                    self.under_way.pop(place)


class Month:
    """Simulation of a month. All random choices come from one seed."""

    def __init__(self, ends: Ends, seed: int) -> None:
        self.ends = ends
        self.chance = random.Random(seed)
        self.people: list[Person] = []
        self.outcomes: Counter[str] = Counter()
        self._words = 0
        ends.publish(ends.newest_letterhead(ends.world.store).successor(retention_days=5))
        self.first = an_adviser(ends)
        self.second = an_adviser(ends, ends.second_keyring())
        strand = self.second.desk.keyring.strand.id
        with ends.world.store.writing() as session:
            peers.add(session, strand, b"")
            outbox.enqueue_all(session, strand)
        self.to_second, self.to_server = Road(self.chance), Road(self.chance)

    def play(self) -> None:
        for day in range(DAYS):
            self.ends.clock.day = TODAY + timedelta(days=day)
            self._sources()
            for at in (self.first, self.second):
                self._adviser(at)
            self.first.syncs()
            the_server_cleans_up(self.ends)
            self._files_go()
            if day >= DAYS // 2:
                self.to_second.loses_one()
                self.to_server.loses_one()
            self._files_come()
        self._settle()

    def _letterhead(self) -> Letterhead:
        return self.ends.newest_letterhead(self.ends.world.store)

    # ---- sources, at the server

    def is_there(self, store: Store, person: Person) -> bool:
        with store.reading() as session:
            return mailboxes.find(session, person.source.keys.address) is not None

    def _sources(self) -> None:
        if self.chance.random() < 0.5:
            self.people.append(Person(a_source(self.ends.world, day=self.ends.clock.day)))
            self._writes(self.people[-1])
        for person in self.people:
            if self.is_there(self.ends.world.store, person) and self.chance.random() < 0.4:
                does = self.chance.choices(
                    (self._writes, self._deletes, self._looks, self._agrees, self._ends), (6, 2, 2, 2, 1)
                )
                does[0](person)

    def _writes(self, person: Person) -> None:
        file = ("a.pdf", self.chance.randbytes(70_000)) if self.chance.random() < 0.2 else None
        text = self._text("source")
        entry = person.source.writes(text, day=self.ends.clock.day, file=file)
        person.theirs[entry.envelope.entry_id] = text
        person.entries[entry.envelope.entry_id] = entry

    def _deletes(self, person: Person) -> None:
        if len(person.theirs) > 1:
            entry_id = self.chance.choice(sorted(person.theirs))
            person.source.removes(person.entries[entry_id])
            del person.theirs[entry_id]

    def _looks(self, person: Person) -> None:
        person.source.looks(day=self.ends.clock.day)

    def _agrees(self, person: Person) -> None:
        seen = read_mailbox(self._as_source(), person.source.keys)
        address = person.source.keys.address
        proposed = [
            proposal_digest(content, address=address, entry_id=signed.envelope.entry_id)
            for signed, content in seen.opened
            if content is not None and content.kind is Kind.PROPOSAL
        ]
        if proposed:
            note = AnswerNote(proposal=proposed[-1], verdict=Verdict.AGREED)
            text = self._text("agrees")
            entry = person.source.says(
                Content(kind=Kind.ANSWER, text=text, answer=note), day=self.ends.clock.day
            )
            person.theirs[entry.envelope.entry_id] = text
            person.entries[entry.envelope.entry_id] = entry

    def _ends(self, person: Person) -> None:
        person.source.ends()

    # ---- advisers, each in a replica

    def _adviser(self, at: AtDesk) -> None:
        for person in self.people:
            if self.is_there(at.store, person) and self.chance.random() < 0.3:
                try:
                    self._works_on(at, person)
                except SendRefusedError as why:
                    if why.reason is not SendRefusal.SOURCE_WROTE:
                        raise
        for row in read_inbox(at.desk, InboxFilter("closed"), self.ends.clock.day).ended:
            if self.chance.random() < 0.5:
                at.counts(next(each.source for each in self.people if each.source.address == row.address))

    def _works_on(self, at: AtDesk, person: Person) -> None:
        address, text = person.source.keys.address, self._text("desk")
        match self.chance.choices(("answer", "note", "propose", "close"), (6, 3, 1, 1))[0]:
            case "answer":
                at.answers(person.source, text)
                person.ours.append(text)
            case "note":
                casefiles.add_casefile_note(at.desk, address, text, self.ends.clock.day)
            case "propose":
                at_once = Content(kind=Kind.PROPOSAL, text=text, proposal=NOTE)
                context = at.form(person.source)
                new = NewWords(context.entry_id, at_once)
                EntrySender(at.desk, context, [new], today=self.ends.clock.day).send()
                person.ours.append(text)
            case _:
                at.closes(person.source, text)
                person.ours.append(text)

    # ---- files on their way

    def _files_go(self) -> None:
        if self.chance.random() < 0.7:
            self.to_second.sends(
                b"".join(build_whole_pouch(self.ends.server, self.second.desk.keyring.strand.id))
            )
        if self.chance.random() < 0.7:
            self.to_server.sends(self._made_by_second())

    def _files_come(self) -> None:
        for pouch in self.to_second.arrive():
            self._second_takes_in(pouch)
        for pouch in self.to_server.arrive():
            self._server_takes_in(pouch)

    def _made_by_second(self) -> bytes:
        return b"".join(sync_replica.make_pouch_file(self.second.endpoint))

    def _second_takes_in(self, pouch: bytes) -> None:
        desk = self.second.desk
        sync_replica.import_pouch_file(desk, self.second.endpoint, [pouch])
        assert desk.exchange.refusal == ""
        self.outcomes[desk.exchange.arrival] += 1

    def _server_takes_in(self, pouch: bytes) -> None:
        self.outcomes[pending.import_pouch(self.ends.server, [pouch]).outcome.name] += 1

    # ---- the end of the month

    def _settle(self) -> None:
        """Deliver all files, count the ended mailboxes, and exchange pouches until nothing is new."""
        for road, takes_in in (
            (self.to_second, self._second_takes_in),
            (self.to_server, self._server_takes_in),
        ):
            for pouch in road.under_way:
                takes_in(pouch)
        for _ in range(3):
            self._to_and_fro()
        for at in (self.first, self.second):
            for row in read_inbox(at.desk, InboxFilter("closed"), self.ends.clock.day).ended:
                at.counts(next(p.source for p in self.people if p.source.address == row.address))
        for _ in range(3):
            self._to_and_fro()
        the_server_cleans_up(self.ends)
        # A month later, the server also forgets the proofs of ended mailboxes.
        server, letterhead = self.ends.world.store, self._letterhead()
        forget_known(server, letterhead, self.ends.clock.day + timedelta(days=DAYS))

    def _to_and_fro(self) -> None:
        self.first.syncs()
        self._server_takes_in(self._made_by_second())
        self._second_takes_in(
            b"".join(build_whole_pouch(self.ends.server, self.second.desk.keyring.strand.id))
        )
        self._server_takes_in(self._made_by_second())
        self.first.syncs()

    def _text(self, who: str) -> str:
        self._words += 1
        return f"{who} {self._words}"

    def _as_source(self) -> SimpleNamespace:
        """Return the desk as the source's interface sees it."""
        return SimpleNamespace(store=self.ends.world.store, letterhead=self._letterhead())

    def seen_by_source(self, person: Person) -> Counter[str]:
        mailbox = read_mailbox(self._as_source(), person.source.keys)
        assert not mailbox.is_missing_entries
        return Counter(content.text for _, content in mailbox.opened if content is not None)


def alike(store: Store) -> dict[str, set[tuple[object, ...]]]:
    """Return the contents of a store that must be equal in all stores. Only the newest letterhead counts.

    A workstation keeps the proof of an end, and the empty notes of that mailbox, longer than the server. Two
    workstations can each empty these notes.
    """
    found = all_of(store)
    del found["ended"]
    alive = {row[0] for row in found["mailbox"]}
    found["record"] = {row for row in found["record"] if row[0] != "casefile" or row[1] in alive}
    found["letterhead"] = {max(found["letterhead"])}
    return found


def check(month: Month) -> None:
    """Check that all stores are equal, and that the simulation did enough."""
    server, first, second = month.ends.world.store, month.first, month.second
    assert month.to_second.lost == month.to_server.lost == 1
    assert month.outcomes["APPLIED"] > DAYS
    assert month.outcomes["DUPLICATE"] > DAYS // 3  # sent twice, or overtaken by a later pouch with all of it
    assert month.outcomes["PENDING"] == 0  # each pouch has all that its receiver has not confirmed

    # The three stores are equal, and every outbox is empty.
    assert alike(first.store) == alike(server)
    assert alike(second.store) == alike(server)
    for store, peer in (
        (first.store, SERVER),
        (second.store, SERVER),
        (server, first.desk.keyring.strand.id),
        (server, second.desk.keyring.strand.id),
    ):
        assert month.ends.left(store, peer) == 0

    # Every mailbox verifies, and has every text once.
    gone = 0
    for person in month.people:
        is_there = {month.is_there(store, person) for store in (server, first.store, second.store)}
        assert len(is_there) == 1
        if is_there == {True}:
            assert month.seen_by_source(person) == person.texts
            for at in (first, second):
                assert Counter(text for text in at.sees(person.source) if text) == person.texts
        else:
            gone += 1
    assert first.desk.unsound == second.desk.unsound == {}
    assert first.desk.unsound_casefiles == second.desk.unsound_casefiles == set()

    # Every mailbox that is gone was counted, once.
    ledgers = [
        tallies_of(store, first.desk.keyring, first.desk) for store in (server, first.store, second.store)
    ]
    assert len({frozenset(each.id for each in ledger) for ledger in ledgers}) == 1
    assert gone > 0
    assert sum(each.dimension is Dimension.MAILBOX for each in ledgers[0]) == gone


def test_after_a_month_of_files_all_stores_are_equal(ends: Ends) -> None:
    month = Month(ends, SEED)
    try:
        month.play()

        check(month)
    finally:
        month.first.desk.stop()
        month.second.desk.stop()
