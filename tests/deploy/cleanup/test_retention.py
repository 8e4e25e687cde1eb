"""The server deletes what the desk ordered, and nothing else."""

import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from nacl.signing import SigningKey
from protocol.statements import deletion_order, removal
from sqlalchemy import text

from deploy.cleanup.retention import (
    DueOrder,
    RetentionResult,
    apply_retention,
    carry_out_order,
    judge_order,
    log_retention,
)
from deploy.cleanup.server_cleanup import ServerSweeper
from deploy.settings.load_settings import load_config
from protocol import entry, letterhead
from protocol.content import Content, Kind
from protocol.identifiers import NO_DIGEST, Address, Digest, EntryId, StrandId
from protocol.letterhead import Letterhead, Strand
from protocol.mailbox_keys import MailboxKeys
from protocol.strand import DeskWriter, EntryWriter, SourceWriter
from source_app.config import SourceConfig
from store import cleanup, deletion_orders, entries, letterheads, mailboxes
from store.database.engine import Store, create_store
from store.sessions import open_sessions
from tests.protocol.desk_factories import DESK_KEY, FINGERPRINT, a_letterhead
from tests.protocol.mailbox_factories import DAY, LAPTOP, WORKSTATION, a_mailbox
from tests.source_app.desks import TODAY, make_desk
from tests.store.factories import NOW, a_record, all_tallies, files_of, rows, usage

DUE = DAY + timedelta(days=7)
TALLIES = tuple(sorted(os.urandom(600) for _ in range(8)))
EXAMPLE = Path(__file__).parents[3] / "config.example.toml"


def a_strand(writer: DeskWriter, until: date | None = None) -> Strand:
    key = bytes(SigningKey(writer.seed).verify_key)
    return Strand(id=writer.strand, name="one", verify_key=key, since=DAY, until=until)


LETTERHEAD = a_letterhead(strands=(a_strand(WORKSTATION), a_strand(LAPTOP)), abandoned_months=12)


@dataclass
class Shelf:
    """Store with mailboxes, and a desk that writes entries and deletion orders."""

    store: Store
    letterhead: Letterhead = LETTERHEAD
    sealed: dict[Address, list[bytes]] = field(default_factory=dict)

    def open(self, seed: int, day: date = DAY) -> MailboxKeys:
        keys = a_mailbox(seed)
        with self.store.writing() as session:
            mailboxes.create_mailbox(
                session, address=keys.address, recipient=keys.recipient, verify_key=keys.verify_key, day=day
            )
        return keys

    def write(
        self, keys: MailboxKeys, by: EntryWriter | None = None, *, kind: Kind = Kind.MESSAGE, day: date = DAY
    ) -> bytes:
        by = by or SourceWriter(keys)
        heads = self.heads(keys)
        number, previous = heads.get(by.strand, (0, NO_DIGEST))
        others = [digest for strand, (_, digest) in heads.items() if bool(strand) != bool(by.strand)]
        made = entry.seal_entry(
            Content(kind=kind, text="words" if kind is Kind.MESSAGE else ""),
            address=keys.address,
            mailbox_recipient=keys.recipient,
            letterhead=self.letterhead,
            by=by,
            entry_id=EntryId(os.urandom(16)),
            number=number + 1,
            previous=previous,
            seen=sorted(others),
            day=day,
        )
        with self.store.writing(durable=False) as session:
            entries.append(session, **made.to_stored())
        assert made.header is not None
        assert made.payload is not None
        self.sealed.setdefault(keys.address, []).extend([made.header, made.payload])
        return made.envelope.entry_id

    def heads(self, keys: MailboxKeys) -> dict[StrandId, tuple[int, Digest]]:
        with self.store.reading() as session:
            found = entries.strand_heads(session, keys.address)
        return {StrandId(head.strand): (head.number, Digest(head.digest)) for head in found}

    def order(
        self,
        keys: MailboxKeys,
        *,
        due: date = DUE,
        by: DeskWriter = WORKSTATION,
        day: date = DAY,
        tallies: Sequence[bytes] = TALLIES,
    ) -> bytes:
        made = deletion_order.sign_order(
            keys.address, self.heads(keys), due=due, tallies=tallies, by=by, day=day
        )
        self.put(keys, made, due, tallies)
        return made

    def put(
        self, keys: MailboxKeys, statement: bytes, due: date = DUE, tallies: Sequence[bytes] = TALLIES
    ) -> None:
        with self.store.writing(durable=False) as session:
            deletion_orders.put(session, keys.address, statement, due, tallies)

    def retain(self, today: date = DUE) -> RetentionResult:
        return apply_retention(self.store, self.letterhead, today)

    def holds(self, keys: MailboxKeys) -> bool:
        with self.store.reading() as session:
            return mailboxes.find(session, keys.address) is not None

    def is_under_order(self, keys: MailboxKeys) -> bool:
        with self.store.reading() as session:
            return deletion_orders.find(session, keys.address) is not None

    def tallies(self) -> list[bytes]:
        with self.store.reading() as session:
            return sorted(all_tallies(session))


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    store = create_store(tmp_path / "var" / "store.db")
    yield Shelf(store)
    store.close()


@pytest.fixture
def keys(shelf: Shelf) -> MailboxKeys:
    """Return a mailbox with a question and an answer."""
    keys = shelf.open(1)
    shelf.write(keys)
    shelf.write(keys, WORKSTATION)
    return keys


# ---- what is ordered, happens -----------------------------------------------------------------------


def test_a_mailbox_that_the_desk_ordered_to_delete_leaves_no_byte_but_its_tallies(
    shelf: Shelf, keys: MailboxKeys
) -> None:
    other = shelf.open(2)
    shelf.write(other)
    a_record(shelf.store, keys.address, b"what the desk noted about it" * 100)
    statement = shelf.order(keys)
    assert RetentionResult(purged=1) == shelf.retain()
    assert cleanup.destroy_deleted(shelf.store, NOW).is_clean
    raw = files_of(shelf.store)
    gone = [
        sealed[at : at + 24]
        for sealed in shelf.sealed[keys.address]
        for at in range(64, len(sealed) - 24, 24)  # after the bytes that every age file begins with
    ]
    assert len(gone) > 500
    assert [] == [piece for piece in gone if piece in raw]
    assert b"what the desk noted" not in raw
    kept = [sealed[-24:] for sealed in shelf.sealed[other.address]]
    assert [True] * 2 == [piece in raw for piece in kept]
    assert list(TALLIES) == shelf.tallies()
    with shelf.store.reading() as session:
        (ended,) = mailboxes.ended_mailboxes(session)
    assert (keys.address, keys.verify_key, statement, DUE) == (
        ended.address,
        ended.verify_key,
        ended.statement,
        ended.day,
    )
    assert deletion_order.verify_order(ended.statement, strands=LETTERHEAD.strand_keys).due == DUE


def test_an_order_is_also_carried_out_late(shelf: Shelf, keys: MailboxKeys) -> None:
    shelf.order(keys)
    assert RetentionResult(purged=1) == shelf.retain(DUE + timedelta(days=400))


def test_read_receipts_of_either_side_void_no_order(shelf: Shelf, keys: MailboxKeys) -> None:
    shelf.order(keys)
    shelf.write(keys, kind=Kind.SEEN)
    shelf.write(keys, WORKSTATION, kind=Kind.SEEN)
    assert RetentionResult(purged=1) == shelf.retain()


def test_a_message_the_source_deleted_is_still_the_head_that_the_order_names(
    shelf: Shelf, keys: MailboxKeys
) -> None:
    shelf.order(keys)
    with shelf.store.writing() as session:
        for stored in entries.of_mailbox(session, keys.address):
            entries.remove_entry(session, keys.address, stored.entry_id, removal=b"removal")
    assert RetentionResult(purged=1) == shelf.retain()


# ---- what is not ordered, does not ------------------------------------------------------------------


def test_an_order_that_is_due_tomorrow_waits_whatever_the_row_says(shelf: Shelf, keys: MailboxKeys) -> None:
    statement = shelf.order(keys, due=DUE + timedelta(days=1))
    assert RetentionResult() == shelf.retain()
    shelf.put(keys, statement, due=DUE)
    assert RetentionResult() == shelf.retain()
    assert shelf.holds(keys)
    assert RetentionResult(purged=1) == shelf.retain(DUE + timedelta(days=1))


def test_a_clock_that_is_set_back_deletes_nothing_and_brings_nothing_back(
    shelf: Shelf, keys: MailboxKeys
) -> None:
    shelf.order(keys)
    shelf.open(2, day=DUE)
    for today in (DAY - timedelta(days=1), date(1970, 1, 1), date.min):
        assert RetentionResult() == shelf.retain(today)
    assert RetentionResult(purged=1) == shelf.retain()
    assert RetentionResult() == shelf.retain(DAY)
    assert not shelf.holds(keys)


@pytest.mark.parametrize("by", [None, WORKSTATION, LAPTOP], ids=["the source", "the desk", "another strand"])
def test_a_later_entry_of_either_side_voids_an_order(
    shelf: Shelf, keys: MailboxKeys, by: DeskWriter | None
) -> None:
    shelf.order(keys)
    shelf.write(keys, by)
    assert RetentionResult(dropped=1) == shelf.retain()
    assert shelf.holds(keys)
    assert not shelf.is_under_order(keys)
    assert RetentionResult() == shelf.retain()


def test_an_entry_between_the_decision_and_the_deletion_counts(shelf: Shelf, keys: MailboxKeys) -> None:
    shelf.order(keys)
    with shelf.store.reading() as session:
        (before,) = deletion_orders.all_due(session, DUE)
        assert DueOrder.CARRY_OUT is judge_order(session, before, LETTERHEAD, DUE)
    shelf.write(keys)
    with shelf.store.writing() as session:
        assert DueOrder.DROP is carry_out_order(session, keys.address, LETTERHEAD, DUE)
    assert shelf.holds(keys)
    with shelf.store.writing() as session:
        assert DueOrder.WAIT is carry_out_order(session, keys.address, LETTERHEAD, DUE)


# ---- orders that the desk did not make -------------------------------------------------------------


def test_a_forged_order_deletes_nothing_and_stays_for_the_desk_to_see(
    shelf: Shelf, keys: MailboxKeys
) -> None:
    shelf.order(keys, by=DeskWriter(WORKSTATION.strand, os.urandom(32)))
    assert RetentionResult(refused=1) == shelf.retain()
    assert (True, True) == (shelf.holds(keys), shelf.is_under_order(keys))


@pytest.mark.parametrize(
    "spoil", [lambda raw: raw[:-1], lambda raw: raw[:0], lambda raw: raw + b"\0", bytes.swapcase]
)
def test_an_order_in_another_form_deletes_nothing(
    shelf: Shelf, keys: MailboxKeys, spoil: Callable[[bytes], bytes]
) -> None:
    shelf.put(keys, spoil(shelf.order(keys)))
    assert RetentionResult(refused=1) == shelf.retain()
    assert shelf.holds(keys)


def test_a_statement_of_the_source_is_not_an_order(shelf: Shelf, keys: MailboxKeys) -> None:
    shelf.put(keys, removal.sign_ending(keys.address, shelf.heads(keys), day=DAY, by=SourceWriter(keys)))
    assert RetentionResult(refused=1) == shelf.retain()
    assert shelf.holds(keys)


def test_the_order_of_another_mailbox_deletes_nothing(shelf: Shelf, keys: MailboxKeys) -> None:
    other = shelf.open(2)
    shelf.write(other)
    shelf.put(keys, shelf.order(other))
    assert RetentionResult(purged=1, refused=1) == shelf.retain()
    assert (True, False) == (shelf.holds(keys), shelf.holds(other))


def test_an_order_of_a_revoked_workstation_deletes_nothing(shelf: Shelf, keys: MailboxKeys) -> None:
    shelf.order(keys, by=LAPTOP)
    shelf.letterhead = a_letterhead(strands=(a_strand(WORKSTATION), a_strand(LAPTOP, DAY - timedelta(1))))
    assert RetentionResult(refused=1) == shelf.retain()
    shelf.letterhead = a_letterhead(strands=(a_strand(WORKSTATION),))
    assert RetentionResult(refused=1) == shelf.retain()
    assert shelf.holds(keys)
    shelf.letterhead = LETTERHEAD  # the letterhead arrives later than the order
    assert RetentionResult(purged=1) == shelf.retain()


def test_an_order_replayed_after_the_mailbox_was_opened_again_deletes_nothing(
    shelf: Shelf, keys: MailboxKeys
) -> None:
    statement = shelf.order(keys)
    assert RetentionResult(purged=1) == shelf.retain()
    with shelf.store.writing() as session:
        mailboxes.mark_ending_counted(session, keys.address)
    assert keys.address == shelf.open(1).address
    shelf.put(keys, statement)
    assert RetentionResult(dropped=1) == shelf.retain()
    shelf.write(keys)
    shelf.put(keys, statement)
    assert RetentionResult(dropped=1) == shelf.retain()
    assert shelf.holds(keys)


def test_an_order_that_names_nothing_in_the_mailbox_would_fit_any_and_is_dropped(shelf: Shelf) -> None:
    empty = shelf.open(3)
    shelf.order(empty)
    assert RetentionResult(dropped=1) == shelf.retain()
    assert shelf.holds(empty)


def test_a_mailbox_with_a_missing_entry_is_left_for_the_desk_to_see(shelf: Shelf, keys: MailboxKeys) -> None:
    shelf.order(keys)
    with shelf.store.writing() as session:
        session.execute(text("DELETE FROM entry WHERE author = 1"))
    assert RetentionResult(dropped=1) == shelf.retain()
    assert shelf.holds(keys)


def test_a_mailbox_with_a_malformed_entry_is_left_for_the_desk_to_see(
    shelf: Shelf, keys: MailboxKeys
) -> None:
    shelf.order(keys)
    with shelf.store.writing() as session:
        session.execute(text("UPDATE entry SET envelope = x'00' WHERE author = 1"))
    assert RetentionResult(refused=1) == shelf.retain()
    assert shelf.holds(keys)


@pytest.mark.parametrize(
    "tallies",
    [TALLIES[1:], (*TALLIES[1:], os.urandom(600)), (*TALLIES, os.urandom(600)), (), (TALLIES[0], *TALLIES)],
    ids=["one missing", "one swapped", "one more", "none", "one twice"],
)
def test_a_contribution_that_was_swapped_is_not_counted_and_nothing_is_deleted(
    shelf: Shelf, keys: MailboxKeys, tallies: tuple[bytes, ...]
) -> None:
    shelf.put(keys, shelf.order(keys), tallies=tallies)
    assert RetentionResult(refused=1) == shelf.retain()
    assert (True, []) == (shelf.holds(keys), shelf.tallies())


def test_tallies_of_different_sizes_do_not_enter_the_ledger(shelf: Shelf, keys: MailboxKeys) -> None:
    shelf.order(keys, tallies=[b"long tally", b"short"])
    assert RetentionResult(refused=1) == shelf.retain()
    assert shelf.holds(keys)


# ---- as its source sees it -------------------------------------------------------------------------


def test_a_source_whose_mailbox_was_purged_gets_the_same_page_as_after_a_wrong_passphrase(
    tmp_path: Path,
) -> None:
    place = make_desk(tmp_path)
    browser, still_open = place.browser(), place.browser()
    browser.start()
    browser.write("please help")
    keys = place.keys_of(browser)
    place.answer(keys, "we have helped")
    still_open.get("/en/log-in")
    still_open.log_in(browser.passphrase)
    assert "we have helped" in still_open.get("/en/mailbox").text
    with place.store.writing() as session:
        found = {
            StrandId(h.strand): (h.number, Digest(h.digest))
            for h in entries.strand_heads(session, keys.address)
        }
        made = deletion_order.sign_order(
            keys.address, found, due=TODAY, tallies=TALLIES, by=place.writer, day=TODAY
        )
        deletion_orders.put(session, keys.address, made, TODAY, TALLIES)
    assert RetentionResult(purged=1) == apply_retention(place.store, place.letterhead, TODAY)
    cleanup.destroy_deleted(place.store, NOW)
    stranger = place.browser()
    refused, unknown = (
        each.log_in(words)
        for each, words in ((place.browser(), browser.passphrase), (stranger, "seven other"))
    )
    assert 200 != refused.status_code == unknown.status_code
    assert len(unknown.data) == len(refused.data)
    for page in (still_open.get("/en/mailbox"), still_open.write("are you there?", form_context={})):
        assert "we have helped" not in page.text
        assert page.status_code < 500
    place.store.close()


# ---- mailboxes that were never used -----------------------------------------------------------------


def test_an_unused_mailbox_is_dropped_after_the_months_in_the_letterhead(shelf: Shelf) -> None:
    opened = date(2026, 3, 31)
    unused, used = shelf.open(1, opened), shelf.open(2, opened)
    shelf.write(used)
    assert RetentionResult() == shelf.retain(date(2027, 3, 31))
    assert RetentionResult(never_used=1) == shelf.retain(date(2027, 4, 1))
    assert (False, True) == (shelf.holds(unused), shelf.holds(used))
    assert 0 == rows(shelf.store, "ended_mailbox")  # there is nothing that the desk could miss


# ---- in the sweeper ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_killed_at_any_moment_each_mailbox_is_complete_or_purged(shelf: Shelf) -> None:
    made = [shelf.open(seed) for seed in range(1, 41)]
    for keys in made:
        shelf.write(keys)
        shelf.order(keys, tallies=[os.urandom(600) for _ in range(8)])
    fork = multiprocessing.get_context("fork")
    for wait in (0.0, 0.01, 0.03, 0.05):
        retaining = fork.Process(target=shelf.retain)
        retaining.start()
        time.sleep(wait)  # no condition to wait for: any moment is the right one
        os.kill(retaining.pid or 0, signal.SIGKILL)
        retaining.join()
        held = sum(map(shelf.holds, made))
        tables = (
            "entry",
            "strand_head",
            "deletion_order",
            "ended_mailbox",
            "ledger_tally",
            "deletion_order_tally",
        )
        count = {table: rows(shelf.store, table) for table in tables}
        assert [held] * 3 == [count["entry"], count["strand_head"], count["deletion_order"]]
        assert [40 - held, 8 * (40 - held), 8 * held] == [
            count["ended_mailbox"],
            count["ledger_tally"],
            count["deletion_order_tally"],
        ]
    left = sum(map(shelf.holds, made))
    assert RetentionResult(purged=left) == shelf.retain()
    assert 320 == len(set(shelf.tallies()))
    cleanup.destroy_deleted(shelf.store, NOW)
    assert 320 * 600 == usage(shelf.store)


@pytest.fixture
def sweeper(shelf: Shelf, tmp_path: Path) -> ServerSweeper:
    example = load_config(EXAMPLE, "source", SourceConfig)
    config = replace(example, fingerprint=FINGERPRINT, letterhead_serial_path=tmp_path / "serial")
    return ServerSweeper(shelf.store, open_sessions(tmp_path / "sessions.db", allow_disk=True), config)


def publish(store: Store, one: Letterhead = LETTERHEAD) -> None:
    with store.writing() as session:
        letterheads.add(session, one.serial, *letterhead.sign_letterhead(one, DESK_KEY))


def at_noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def test_a_sweep_carries_out_what_is_due_and_leaves_no_byte(
    shelf: Shelf, keys: MailboxKeys, sweeper: ServerSweeper, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    shelf.order(keys)
    publish(shelf.store)
    sweeper.sweep_once(at_noon(DUE - timedelta(days=1)))
    assert shelf.holds(keys)
    assert sweeper.sweep_once(at_noon(DUE)).is_clean
    raw = files_of(shelf.store)
    assert [False] * 4 == [sealed[-24:] in raw for sealed in shelf.sealed[keys.address]]
    assert ["mailboxes deleted by the desk's order: 1"] == caplog.messages


def test_without_a_letterhead_no_order_is_carried_out_and_all_else_is_swept(
    shelf: Shelf, keys: MailboxKeys, sweeper: ServerSweeper, caplog: pytest.LogCaptureFixture
) -> None:
    shelf.order(keys)
    entry_id = shelf.write(shelf.open(2))
    with shelf.store.writing() as session:
        entries.remove_entry(session, a_mailbox(2).address, entry_id, removal=b"removal")
    assert [1, 0] == [sweeper.sweep_once(at_noon(DUE)).rows for _ in range(2)]
    assert shelf.holds(keys)
    (said,) = caplog.messages  # once, not with every sweep
    assert said.startswith("No order of the desk is carried out. The store holds no letterhead")
    publish(shelf.store)
    sweeper.sweep_once(at_noon(DUE))
    assert not shelf.holds(keys)


def test_the_log_has_numbers_and_points_at_no_mailbox(shelf: Shelf, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    forged, voided, ordered = (shelf.open(seed) for seed in (1, 2, 3))
    shelf.open(4, day=DAY - timedelta(days=500))
    for keys in (forged, voided, ordered):
        shelf.write(keys)
        shelf.order(keys, by=DeskWriter(LAPTOP.strand, bytes(32)) if keys is forged else WORKSTATION)
    shelf.write(voided)
    first = shelf.retain()
    log_retention(first, RetentionResult())
    log_retention(shelf.retain(), first)
    assert [
        "mailboxes deleted by the desk's order: 1",
        "orders dropped, because an entry is new or missing: 1",
        "mailboxes dropped in which no one ever wrote: 1",
        "orders to delete that are not as the desk signed them, left alone: 1; tell the desk",
    ] == caplog.messages
