"""Faults and attacks during a sync: nothing is lost, applied twice, or applied without verification."""

import itertools
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import msgspec
import pytest

from crypto.age import PQIdentity
from crypto.framing import frame
from protocol.errors import PouchRefusal, PouchRefusedError
from protocol.identifiers import StrandId
from protocol.pouch.pouch_file import SERVER, PouchHead, PouchWriter, ServerCard, ServerKey, lowest_serial
from protocol.pouch.pouch_items import EntryItem, Item, MailboxItem, RecordItem, TallyItem
from protocol.transcript.check import FaultKind
from store import entries, mailboxes, peers
from store.sync_findings import FindingKind
from stored_mailbox.lost_entries import check_envelopes
from sync import pending
from sync.apply import apply_pouch
from sync.build import build_pouch, build_pouch_files
from sync.endpoint import Endpoint
from sync.errors import SyncError, SyncRefusal, SyncRefusedError
from sync.exchange import answer_pouches, exchange
from tests.journalist_app.desk_factories import TODAY, ASource, a_source
from tests.stores import as_operator
from tests.sync.ends import (
    AnsweringCarrier,
    Ends,
    Workstation,
    all_of,
    answer,
    at,
    copy_of,
    restore,
    sync_refused,
)
from tests.sync.test_exchange import found_at, record_of

CUTS = 200


def a_pouch(workstation: Workstation) -> bytes:
    return build_pouch(workstation.endpoint, SERVER, {}).pouch


def refusal(endpoint: Endpoint, pouch: bytes, *, is_direct: bool = True) -> PouchRefusal:
    with pytest.raises(PouchRefusedError) as refused:
        apply_pouch(endpoint, lambda: [pouch], is_direct=is_direct)
    return refused.value.reason


def faults_at_server(ends: Ends, source: ASource) -> list[FaultKind]:
    """Return the faults that the source's site finds in a mailbox with the server's newest letterhead."""
    strands = ends.newest_letterhead(ends.world.store).strand_keys
    with ends.world.store.reading() as session:
        checked = check_envelopes(session, source.keys.address, strands)
    assert checked is not None
    return [fault.kind for fault in checked.transcript.faults]


def to_come(ends: Ends) -> int:
    """Return the serial of a future pouch, one of tomorrow."""
    return lowest_serial(ends.clock.half_hour() + 48)


def made_by_hand(ends: Ends, seed: bytes, *items: Item, **head: object) -> bytes:
    """Return a pouch to the server, as anyone with the server's card can make it."""
    fields = {
        "desk": ends.world.keyring.fingerprint,
        "sender": ends.world.keyring.strand.id,
        "receiver": SERVER,
        "serial": to_come(ends),
        "after": 0,
        "taken": 0,
        "day": ends.clock.day,
    }
    packer = PouchWriter(PouchHead(**{**fields, **head}), ends.key.card.recipient, seed)
    return b"".join([packer.header, *map(packer.add, items), *packer.finish()])


@dataclass(slots=True)
class Cutting:
    """Connection that at random loses a part of the question, a part of the answer, all of it, or nothing."""

    ends: Ends
    chance: random.Random
    cuts: int = 0

    @contextmanager
    def carry(self, pouch: bytes) -> Iterator[Iterator[bytes]]:
        how = self.chance.choice(["question", "answer", "all", "nothing"])
        self.cuts += how != "nothing"
        if how == "question":
            with pytest.raises(PouchRefusedError):
                answer(self.ends.server, pouch[: self.chance.randrange(len(pouch))])
            raise SyncRefusedError(SyncRefusal.UNREACHABLE)
        pouches = answer_pouches(self.ends.server, pouch)
        if how == "all":
            list(pouches)
            raise SyncRefusedError(SyncRefusal.UNREACHABLE)
        yield self._cut(pouches) if how == "answer" else pouches

    def _cut(self, pouches: Iterator[bytes]) -> Iterator[bytes]:
        """Let some pouches through, and then a part of the next one."""
        yield from itertools.islice(pouches, self.chance.randrange(3))
        for pouch in pouches:
            yield pouch[: self.chance.randrange(len(pouch))]


# ---- a line that breaks -------------------------------------------------------------------------------


def test_a_line_cut_at_two_hundred_random_places_loses_and_doubles_nothing(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.build.TARGET_BYTES", 40_000)
    chance = random.Random(4)  # which places, and no secret
    first, second = ends.workstation(), ends.workstation(ends.second_keyring())
    sources = [a_source(ends.world) for _ in range(6)]
    line = Cutting(ends, chance)

    while line.cuts < CUTS:
        source, workstation = chance.choice(sources), chance.choice((first, second))
        with workstation.replica.reading() as session:
            is_here = mailboxes.find(session, source.keys.address) is not None
        if is_here and chance.randrange(2):
            at(ends, workstation, source).is_answered("an answer")
        else:
            source.writes("hello", file=("a", chance.randbytes(150_000)) if chance.randrange(2) else None)
        try:
            exchange(workstation.endpoint, line, lambda _left: None)
        except (SyncError, PouchRefusedError):
            continue
    for workstation in (first, second, first):
        ends.sync(workstation)

    assert all_of(first.replica) == all_of(second.replica) == all_of(ends.world.store)
    assert found_at(first) == found_at(second) == []


def test_a_duplicate_pouch_changes_nothing(ends: Ends) -> None:
    workstation = ends.workstation()
    source = a_source(ends.world)
    source.writes("hello")
    kept: list[bytes] = []

    def keeping(pouch: bytes) -> bytes:
        brought = answer(ends.server, pouch)
        kept.extend((pouch, brought))
        return brought

    ends.sync(workstation, through=keeping)
    before = all_of(workstation.replica), all_of(ends.world.store)

    assert apply_pouch(workstation.endpoint, lambda: [kept[1]], is_direct=True).is_duplicate
    assert apply_pouch(ends.server, lambda: [kept[0]], is_direct=True).is_duplicate
    assert (all_of(workstation.replica), all_of(ends.world.store)) == before


def test_a_pouch_that_builds_on_a_missing_one_is_refused_as_early(ends: Ends) -> None:
    workstation = ends.workstation()
    ends.sync(workstation)
    pouch = made_by_hand(ends, workstation.keyring.strand.seed, serial=to_come(ends), after=to_come(ends) - 1)

    assert refusal(ends.server, pouch, is_direct=False) is PouchRefusal.EARLY


def test_a_pouch_in_several_files_is_applied_only_in_order(ends: Ends) -> None:
    workstation = ends.workstation()
    ends.sync(workstation)
    for number in range(3):
        a_source(ends.world).writes(f"message {number}", file=("a", os.urandom(2_500_000)))
    parts = [
        b"".join(pieces)
        for pieces in build_pouch_files(ends.server, workstation.keyring.strand.id, 2_000_000)
    ]
    assert len(parts) > 3

    for part in reversed(parts[1:]):
        assert refusal(workstation.endpoint, part, is_direct=False) is PouchRefusal.EARLY
    for part in parts:
        assert not apply_pouch(workstation.endpoint, lambda part=part: [part], is_direct=False).is_duplicate
    ends.sync(workstation)

    assert all_of(workstation.replica) == all_of(ends.world.store)
    assert ends.left(ends.world.store, workstation.keyring.strand.id) == 0


def test_files_in_the_wrong_order_are_each_whole(ends: Ends) -> None:
    workstation = ends.workstation()
    source = a_source(ends.world)
    source.writes("hello")
    ends.sync(workstation)
    strand = workstation.keyring.strand.id
    source.writes("the first stick")
    older = b"".join(*build_pouch_files(ends.server, strand, None))
    source.writes("the second stick", file=("a", os.urandom(3_000_000)))
    newer = b"".join(*build_pouch_files(ends.server, strand, None))

    apply_pouch(workstation.endpoint, lambda: [newer], is_direct=False)
    late = apply_pouch(workstation.endpoint, lambda: [older], is_direct=False)

    assert late.is_duplicate
    assert all_of(workstation.replica) == all_of(ends.world.store)


# ---- who is who ---------------------------------------------------------------------------------------


def test_a_stranger_is_refused(ends: Ends) -> None:
    pouch = made_by_hand(ends, b"s" * 32, sender=StrandId(b"stranger"))

    with sync_refused(SyncRefusal.UNKNOWN_WORKSTATION):
        answer(ends.server, pouch)


def test_a_pouch_in_a_workstations_name_by_another_key_is_forged(ends: Ends) -> None:
    workstation = ends.workstation()
    with pytest.raises(PouchRefusedError) as refused:
        answer(ends.server, made_by_hand(ends, b"s" * 32))
    ends.sync(workstation)

    assert refused.value.reason is PouchRefusal.FORGED
    assert refusal(ends.server, made_by_hand(ends, b"s" * 32)) is PouchRefusal.FORGED


def test_a_revoked_workstation_is_refused(ends: Ends) -> None:
    workstation = ends.workstation(ends.second_keyring())
    source = a_source(ends.world)
    source.writes("hello")
    ends.sync(workstation)
    ends.retire(workstation.keyring.strand.id, TODAY)
    ends.sync(workstation)  # its last day
    source.writes("not for the thief")
    ends.clock.day += timedelta(days=1)

    with sync_refused(SyncRefusal.REVOKED_WORKSTATION):
        ends.sync(workstation)

    with workstation.replica.reading() as session:
        assert len(entries.of_mailbox(session, source.keys.address)) == 1


def test_a_retired_workstation_that_the_server_forgot_is_refused_on_its_last_day(ends: Ends) -> None:
    """Otherwise the server, which has no serials of it, would seem to be restored from a backup."""
    workstation = ends.workstation(ends.second_keyring())
    strand = workstation.keyring.strand.id
    ends.sync(workstation)
    ends.retire(strand, TODAY)
    with ends.server.store.writing() as session:
        peers.remove_peer(session, strand)

    with sync_refused(SyncRefusal.REVOKED_WORKSTATION):
        ends.sync(workstation)


@pytest.mark.parametrize("is_damaged", [True, False])
def test_a_workstation_without_the_servers_keys_says_so(ends: Ends, *, is_damaged: bool) -> None:
    workstation = ends.workstation()
    with workstation.replica.writing() as session:
        if is_damaged:
            peers.add(session, SERVER, b"no card")
        else:
            peers.remove_all(session, SERVER)

    with sync_refused(SyncRefusal.NOT_PAIRED):
        workstation.endpoint.recipient()
    with sync_refused(SyncRefusal.NOT_PAIRED):
        apply_pouch(workstation.endpoint, lambda: [to_workstation(ends, workstation)], is_direct=True)


def to_workstation(ends: Ends, workstation: Workstation, *items: Item, **head: object) -> bytes:
    """Return a pouch from the server with these items."""
    fields = {
        "desk": ends.world.keyring.fingerprint,
        "sender": SERVER,
        "receiver": workstation.keyring.strand.id,
        "serial": to_come(ends),
        "after": 0,
        "taken": 0,
        "day": ends.clock.day,
    }
    packer = PouchWriter(
        PouchHead(**{**fields, **head}), workstation.keyring.identities[0].recipient, ends.key.seed
    )
    return b"".join([packer.header, *map(packer.add, items), *packer.finish()])


def test_a_server_with_another_key_is_not_the_one_that_was_paired(ends: Ends) -> None:
    workstation = ends.workstation()
    other = ServerKey.from_bytes(os.urandom(64))
    packer = PouchWriter(
        PouchHead(
            desk=workstation.keyring.fingerprint,
            sender=SERVER,
            receiver=workstation.keyring.strand.id,
            serial=1,
            after=0,
            taken=0,
            day=TODAY,
        ),
        workstation.keyring.identities[0].recipient,
        other.seed,
    )
    pouch = b"".join([packer.header, *packer.finish()])

    assert refusal(workstation.endpoint, pouch) is PouchRefusal.FORGED


def test_a_pouch_for_another_desk_or_another_workstation_is_refused(ends: Ends) -> None:
    workstation = ends.workstation()
    seed = workstation.keyring.strand.seed

    other_desk = made_by_hand(ends, seed, desk="RWother")
    assert refusal(ends.server, other_desk) is PouchRefusal.OTHER_DESK
    with pytest.raises(PouchRefusedError) as refused:
        answer(ends.server, other_desk)
    assert refused.value.reason is PouchRefusal.OTHER_DESK
    for_another = to_workstation(ends, workstation, receiver=b"another1")
    assert refusal(workstation.endpoint, for_another) is PouchRefusal.NOT_FOR_US
    assert refusal(workstation.endpoint, a_pouch(workstation)) is PouchRefusal.UNREADABLE


# ---- false items in a pouch ---------------------------------------------------------------------------


def test_one_false_item_refuses_the_whole_pouch(ends: Ends) -> None:
    workstation = ends.workstation()
    source = a_source(ends.world)
    entry = source.writes("hello")
    forged = EntryItem(entry.envelope.to_bytes(), bytes(64), 1, entry.header or b"", entry.payload or b"", ())
    keys = MailboxItem(source.keys.address, source.keys.recipient, source.keys.verify_key, TODAY)

    assert (
        refusal(workstation.endpoint, to_workstation(ends, workstation, keys, forged)) is PouchRefusal.FORGED
    )
    assert all_of(workstation.replica)["mailbox"] == set()


@pytest.mark.parametrize(
    "change", [{"payload": b"another"}, {"header": b""}, {"payload": b""}, {"envelope": b"none"}]
)
def test_an_entry_that_was_changed_on_the_way_is_forged(ends: Ends, change: dict[str, bytes]) -> None:
    workstation = ends.workstation()
    source = a_source(ends.world)
    entry = source.writes("hello")
    fields = {
        "envelope": entry.envelope.to_bytes(),
        "signature": entry.signature,
        "epoch": 1,
        "header": entry.header or b"",
        "payload": entry.payload or b"",
        "attachment_ids": (),
        **change,
    }
    keys = MailboxItem(source.keys.address, source.keys.recipient, source.keys.verify_key, TODAY)

    pouch = to_workstation(ends, workstation, keys, EntryItem(**fields))

    assert refusal(workstation.endpoint, pouch) is PouchRefusal.FORGED


@pytest.mark.parametrize("kind", ["draft", "unsent", "waiting"])
def test_a_server_that_sends_a_draft_is_refused(ends: Ends, kind: str) -> None:
    workstation = ends.workstation()
    pouch = to_workstation(
        ends, workstation, RecordItem(kind, b"n" * 20, 1, (), is_dropped=False, sealed=b"sealed")
    )

    assert refusal(workstation.endpoint, pouch) is PouchRefusal.FORGED


def an_invented_pouch(ends: Ends, workstation: Workstation, item: list[object], *, is_up: bool) -> bytes:
    """Return a pouch with an item that our program never writes."""
    strand, server = workstation.keyring.strand, ends.key
    sender, receiver = (strand.id, SERVER) if is_up else (SERVER, strand.id)
    head = PouchHead(
        desk=ends.world.keyring.fingerprint,
        sender=sender,
        receiver=receiver,
        serial=to_come(ends),
        after=0,
        taken=0,
        day=ends.clock.day,
    )
    to = server.identity if is_up else workstation.keyring.identities[0]
    packer = PouchWriter(head, to.recipient, strand.seed if is_up else server.seed)
    written = packer._write(frame(msgspec.msgpack.encode(item)))
    return b"".join([packer.header, written, *packer.finish()])


@pytest.mark.usefixtures("_on_database")
@pytest.mark.databases("sqlite", "postgresql")
@pytest.mark.parametrize(
    "item",
    [
        ["record", "casefile\0", b"n" * 20, 1, (), False, b"sealed"],
        ["record", "case\nfile", b"n" * 20, 1, (), False, b"sealed"],
        ["record", "dossier\u00e9", b"n" * 20, 1, (), False, b"sealed"],
        ["public_file", "report\0", b"body"],
    ],
    ids=["NUL", "line break", "not ASCII", "NUL in a file"],
)
def test_a_word_that_no_store_can_read_is_refused_by_both_ends(ends: Ends, item: list[object]) -> None:
    """Attack: PostgreSQL stores no text with a NUL, so the store seemed to be damaged."""
    workstation = ends.workstation()
    ends.sync(workstation)
    down, up = (an_invented_pouch(ends, workstation, item, is_up=each) for each in (False, True))

    assert refusal(workstation.endpoint, down) is PouchRefusal.MALFORMED
    assert refusal(ends.server, up) is PouchRefusal.MALFORMED
    ends.sync(workstation)


def test_keys_of_another_address_are_forged(ends: Ends) -> None:
    workstation = ends.workstation()
    one, other = a_source(ends.world), a_source(ends.world)
    keys = MailboxItem(one.keys.address, other.keys.recipient, other.keys.verify_key, TODAY)

    assert refusal(workstation.endpoint, to_workstation(ends, workstation, keys)) is PouchRefusal.FORGED


def test_a_fork_of_the_desks_strand_refuses_the_pouch(ends: Ends) -> None:
    """If a keyring is in use on two machines, they sign two histories of one workstation."""
    one, copy = ends.workstation(), ends.workstation()
    source = a_source(ends.world)
    source.writes("hello")
    ends.sync(one)
    ends.clock.day += timedelta(days=1)
    ends.sync(copy)
    at(ends, one, source).is_answered("one answer")
    at(ends, copy, source).is_answered("another answer")
    ends.clock.day += timedelta(days=1)
    ends.sync(one)

    with pytest.raises(PouchRefusedError) as refused:
        answer(ends.server, a_pouch(copy))

    assert refused.value.reason is PouchRefusal.FORK


def test_both_entries_of_a_source_with_one_number_are_kept(ends: Ends) -> None:
    """The server does not know that it was restored, so its source's site signs a number again."""
    workstation = ends.workstation()
    source = a_source(ends.world)
    source.writes("hello")
    yesterday = copy_of(ends.world.store, ends.folder / "yesterday.db")
    source.writes("lost")
    ends.sync(workstation)
    restore(ends.world.store, yesterday)
    source.writes("written again")

    ends.sync(workstation)

    assert ends.notes_restored_server(workstation)
    assert found_at(workstation) == []
    assert all_of(workstation.replica) == all_of(ends.world.store)
    transcript = at(ends, workstation, source).reads().transcript
    assert [fault.kind for fault in transcript.faults] == [FaultKind.SIDE_BY_SIDE] * 2
    assert len(transcript.entries) == 3


# ---- a restored store, and a new one ------------------------------------------------------------------


def test_a_server_restored_to_yesterday_is_detected_and_sent_everything_again(ends: Ends) -> None:
    workstation = ends.workstation()
    source, other = a_source(ends.world), a_source(ends.world)
    source.writes("hello")
    ends.sync(workstation)
    yesterday = copy_of(ends.world.store, ends.folder / "yesterday.db")
    ends.clock.day += timedelta(days=1)
    source.writes("since then", file=("a", b"file"))
    other.writes("a new source")
    ends.sync(workstation)
    at(ends, workstation, source).is_answered("an answer")
    workstation.writes_record(b"name")
    ends.sync(workstation)
    kept = all_of(workstation.replica)
    restore(ends.world.store, yesterday)

    ends.sync(workstation)

    assert ends.notes_restored_server(workstation)
    assert all_of(workstation.replica) == kept == all_of(ends.world.store)
    ends.sync(workstation)
    assert not ends.notes_restored_server(workstation)


def test_a_retired_workstation_that_syncs_first_after_a_restore_stops_no_other(ends: Ends) -> None:
    """The backup is from before the retirement, so the restored server takes what the thief signs today."""
    thief, workstation = ends.workstation(), ends.workstation(ends.second_keyring())
    source = a_source(ends.world)
    source.writes("hello")
    for each in (thief, workstation, thief, workstation):
        ends.sync(each)
    backup = copy_of(ends.world.store, ends.folder / "backup.db")
    ends.clock.day += timedelta(days=3)
    ends.retire(thief.keyring.strand.id, TODAY)
    ends.sync(workstation)
    restore(ends.world.store, backup)
    at(ends, thief, source).is_answered("a false answer", day=ends.clock.day)
    ends.sync(thief)

    ends.sync(workstation)

    assert ends.notes_restored_server(workstation)
    newest = ends.newest_letterhead(workstation.replica)
    assert newest == ends.newest_letterhead(ends.world.store)
    assert [FaultKind.UNKNOWN_STRAND] == faults_at_server(ends, source)
    with sync_refused(SyncRefusal.REVOKED_WORKSTATION):
        ends.sync(thief)


def test_a_replica_restored_to_yesterday_gets_everything_again(ends: Ends) -> None:
    workstation = ends.workstation()
    source = a_source(ends.world)
    source.writes("hello")
    ends.sync(workstation)
    yesterday = copy_of(workstation.replica, ends.folder / "yesterday.db")
    ends.clock.day += timedelta(days=1)
    source.writes("since then")
    ends.sync(workstation)
    ends.sync(workstation)
    restore(workstation.replica, yesterday)

    ends.sync(workstation)

    assert all_of(workstation.replica) == all_of(ends.world.store)


def test_a_replica_restored_to_before_its_last_question_gets_its_entries_back(ends: Ends) -> None:
    """Since the backup, each applied one pouch of the other. Nothing else differs."""
    workstation = ends.workstation()
    source = a_source(ends.world)
    source.writes("hello")
    ends.sync(workstation)
    ends.sync(workstation)
    before = copy_of(workstation.replica, ends.folder / "before.db")
    at(ends, workstation, source).is_answered("an answer")
    ends.sync(workstation)
    assert ends.questions == 1
    restore(workstation.replica, before)
    ends.clock.day += timedelta(days=1)

    ends.sync(workstation)

    assert all_of(workstation.replica) == all_of(ends.world.store)
    at(ends, workstation, source).is_answered("and another")  # after the entry that came back
    ends.sync(workstation)
    assert all_of(workstation.replica) == all_of(ends.world.store)


def test_a_server_restored_between_two_pouches_of_an_answer_is_detected(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server still knows the question, but not what sources wrote to it after that."""
    monkeypatch.setattr("sync.build.TARGET_BYTES", 1)
    workstation = ends.workstation()
    for _ in range(4):
        a_source(ends.world).writes("hello")
    copy = ends.folder / "copy.db"

    def copied(pouch: bytes) -> bytes:
        if not copy.exists():
            copy_of(ends.world.store, copy)
            a_source(ends.world).writes("since then")
        return pouch

    way = AnsweringCarrier(lambda question: map(copied, answer_pouches(ends.server, question)))
    exchange(workstation.endpoint, way, lambda _left: None)
    everything = all_of(ends.world.store)
    assert all_of(workstation.replica) == everything
    restore(ends.world.store, copy)
    ends.clock.day += timedelta(days=1)

    ends.sync(workstation)

    assert ends.notes_restored_server(workstation)
    assert all_of(workstation.replica) == all_of(ends.world.store) == everything
    ends.sync(workstation)
    assert not ends.notes_restored_server(workstation)


def test_the_contents_of_a_lost_file_arrive_after_a_server_was_restored(ends: Ends) -> None:
    """The workstation applied a later pouch than the server remembers, but not the lost one."""
    workstation = ends.workstation()
    ends.sync(workstation)
    ends.sync(workstation)
    strand = workstation.keyring.strand.id
    for _ in range(4):
        a_source(ends.world).writes("hello", file=("a", os.urandom(600_000)))
    b"".join(*build_pouch_files(ends.server, strand, None))  # the lost one
    copy = copy_of(ends.world.store, ends.folder / "copy.db")
    first = b"".join(next(build_pouch_files(ends.server, strand, 1_000_000)))
    pending.import_pouch(workstation.endpoint, [first])
    restore(ends.world.store, copy)
    ends.clock.day += timedelta(days=1)
    pending.import_pouch(ends.server, [b"".join(*build_pouch_files(workstation.endpoint, SERVER, None))])

    ends.sync(workstation)

    assert all_of(workstation.replica) == all_of(ends.world.store)


# ---- clocks, room, and what is missing ----------------------------------------------------------------


@pytest.mark.parametrize("days", [-366, -2, 2, 366])
def test_a_pouch_of_a_wrong_day_is_refused(ends: Ends, days: int) -> None:
    workstation = ends.workstation()
    a_source(ends.world).writes("hello")
    pouch = a_pouch(workstation)
    ends.clock.day += timedelta(days=days)

    with pytest.raises(PouchRefusedError) as refused:
        answer(ends.server, pouch)

    assert refused.value.reason is PouchRefusal.CLOCK


@pytest.mark.parametrize("field", ["serial", "taken"])
@pytest.mark.parametrize("serial", [2**63 - 1, None], ids=["the_last_one", "in_three_days"])
def test_a_future_serial_is_refused(ends: Ends, field: str, serial: int | None) -> None:
    """An attacker on the server could use up the serials of the workstation."""
    workstation = ends.workstation()
    to_come = serial or lowest_serial(ends.clock.half_hour() + 3 * 48)

    pouch = to_workstation(ends, workstation, **{field: to_come})

    assert refusal(workstation.endpoint, pouch) is PouchRefusal.CLOCK
    ends.sync(workstation)


@pytest.mark.parametrize("end", ["server", "workstation"])
@pytest.mark.parametrize("column", ["sent_serial", "acknowledged_serial", "applied_serial"])
def test_a_serial_of_the_far_future_in_a_store_stops_no_sync(ends: Ends, column: str, end: str) -> None:
    """Attack: someone changes one serial for a moment. Or a clock was a year ahead while a pouch was made."""
    workstation = ends.workstation()
    source = a_source(ends.world)
    source.writes("hello")
    ends.sync(workstation)
    store = ends.world.store if end == "server" else workstation.replica
    with as_operator(store) as operator:
        operator.execute(f"UPDATE peer SET {column} = ?", (2**62,))  # noqa: S608  # one of three names
    source.writes("and more")
    at(ends, workstation, source).is_answered("an answer")

    ends.sync(workstation)

    assert all_of(workstation.replica) == all_of(ends.world.store)
    assert len(all_of(workstation.replica)["entry"]) == 3
    ends.sync(workstation)
    assert ends.questions == 1


def test_a_file_may_be_weeks_old_but_not_from_the_future(ends: Ends) -> None:
    workstation = ends.workstation()
    ends.sync(workstation)
    old = to_workstation(ends, workstation, day=TODAY - timedelta(days=60))
    early = to_workstation(ends, workstation, day=TODAY + timedelta(days=2))

    assert not apply_pouch(workstation.endpoint, lambda: [old], is_direct=False).is_duplicate
    assert refusal(workstation.endpoint, early, is_direct=False) is PouchRefusal.CLOCK


def test_without_room_files_wait_and_nothing_is_lost(ends: Ends) -> None:
    workstation = ends.workstation()
    source = a_source(ends.world)
    source.writes("hello", file=("large", os.urandom(2_000_000)))
    tight = ends.with_room(workstation, store_bytes=1_500_000)

    with sync_refused(SyncRefusal.NO_ROOM):
        ends.sync(tight)
    ends.sync(workstation)

    assert all_of(workstation.replica) == all_of(ends.world.store)


def test_a_file_whose_first_chunks_were_deleted_is_sent_from_the_start(ends: Ends) -> None:
    workstation = ends.workstation()
    source = a_source(ends.world)
    source.writes("hello", file=("large", os.urandom(3_000_000)))
    address, _, attachment_id, *_ = next(iter(all_of(ends.world.store)["file"]))
    assert isinstance(address, bytes)
    assert isinstance(attachment_id, bytes)
    ends.sync(ends.workstation(ends.second_keyring()))  # so that the server has several peers

    def lying(pouch: bytes) -> bytes:
        """Let the server believe that the workstation has two chunks, as if its cleanup had deleted them."""
        sender = workstation.keyring.strand.id
        answer(ends.server, pouch)
        return build_pouch(ends.server, sender, {(address, attachment_id): 2}).pouch

    ends.sync(workstation, through=lying)
    source.writes("more")
    ends.sync(workstation)

    assert all_of(workstation.replica) == all_of(ends.world.store)


def test_nothing_is_packed_for_a_peer_that_was_removed_during_the_answer(ends: Ends) -> None:
    workstation = ends.workstation()
    ends.sync(workstation)
    with ends.world.store.writing() as session:
        peers.remove_peer(session, workstation.keyring.strand.id)

    ends.sync(workstation)  # it becomes a peer again

    with ends.world.store.reading() as session:
        assert peers.find(session, workstation.keyring.strand.id) is not None


def test_a_pouch_of_a_sender_that_is_not_a_peer_is_refused(ends: Ends) -> None:
    workstation = ends.workstation()

    with sync_refused(SyncRefusal.NOT_PAIRED):
        apply_pouch(ends.server, lambda: [a_pouch(workstation)], is_direct=True)


def test_a_mailbox_that_ended_here_and_is_still_at_the_server_is_reported(ends: Ends) -> None:
    workstation = ends.workstation()
    source = a_source(ends.world)
    entry = source.writes("hello")
    ends.sync(workstation)
    source.ends()
    ends.sync(workstation)
    keys = MailboxItem(source.keys.address, source.keys.recipient, source.keys.verify_key, TODAY)
    whole = EntryItem(
        entry.envelope.to_bytes(), entry.signature, 1, entry.header or b"", entry.payload or b"", ()
    )

    apply_pouch(
        workstation.endpoint, lambda: [to_workstation(ends, workstation, keys, whole)], is_direct=True
    )

    assert found_at(workstation) == [(source.keys.address, FindingKind.COME_BACK)]
    with workstation.replica.reading() as session:
        assert mailboxes.find(session, source.keys.address) is None


def test_a_record_or_tally_that_comes_twice_is_kept_once(ends: Ends) -> None:
    workstation = ends.workstation()
    ends.sync(workstation)
    sealed = workstation.seals_record(b"name", "said")
    items = (RecordItem("casefile", b"name", 1, (), is_dropped=False, sealed=sealed), TallyItem(b"a tally"))
    for serial in (to_come(ends), to_come(ends) + 1):
        pouch = to_workstation(ends, workstation, *items, serial=serial)
        taken = apply_pouch(workstation.endpoint, lambda pouch=pouch: [pouch], is_direct=True)

    assert taken.applied == 0
    found = record_of(workstation.replica, b"name")
    assert found is not None
    assert found.sealed == sealed


def test_the_repr_of_an_endpoint_shows_no_key(ends: Ends) -> None:
    workstation = ends.workstation()
    shown = repr(workstation.endpoint) + repr(ends.key) + repr(build_pouch(workstation.endpoint, SERVER, {}))

    for secret in (workstation.keyring.strand.seed, ends.key.seed):
        assert repr(secret)[2:-1] not in shown
        assert secret.hex() not in shown
    assert ServerCard.from_text(str(ends.key.card)) == ends.key.card
    assert isinstance(ends.key.identity, PQIdentity)
