"""Records (the desk's notes) that the server lost come back in one sync. Otherwise nothing is sent."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from journalist_app.services.records import casefiles
from journalist_app.services.whole_desk.merge_records import RecordMerger
from protocol.pouch.pouch_file import SERVER, PouchReader
from protocol.pouch.pouch_items import RecordItem, RecordsItem
from protocol.sealed_record import RecordKind, seal_record
from store import outbox, records
from sync import build
from sync.build import build_whole_pouch
from sync.endpoint import RecordFaultError
from sync.exchange import exchange
from sync.items import listed_records
from sync.items.contexts import ApplyContext
from sync.pending import import_pouch
from tests.journalist_app.desk_factories import TODAY, a_source
from tests.sync.desks import an_adviser, an_answered_source, the_server_cleans_up
from tests.sync.ends import Ends, Line, Workstation, all_of

NAMES = [bytes([at]) * 20 for at in range(4)]


@dataclass
class Counted:
    """Connection that counts rounds, records that the workstation sent, and lists that the server sent."""

    ends: Ends
    workstation: Workstation
    rounds: int = 0
    records: int = 0
    lists: int = 0
    more: list[bool] = field(default_factory=list)  # for each pouch of the server

    @contextmanager
    def carry(self, pouch: bytes) -> Iterator[Iterator[bytes]]:
        sender = self.workstation.keyring.strand.verify_key
        own = PouchReader([pouch], [self.ends.key.identity]).items(sender)
        self.rounds += 1
        self.records += sum(isinstance(each, RecordItem) for each in own)
        with Line(self.ends).carry(pouch) as answer:
            yield map(self._count, answer)

    def _count(self, pouch: bytes) -> bytes:
        reader = PouchReader([pouch], self.workstation.keyring.identities)
        self.more.append(reader.head.more)
        items = reader.items(self.ends.key.card.verify_key)
        self.lists += sum(isinstance(each, RecordsItem) for each in items)
        return pouch


def counted_sync(ends: Ends, workstation: Workstation) -> tuple[int, int, int]:
    """Sync, and return the numbers of rounds, of records that were sent, and of lists that came back."""
    line = Counted(ends, workstation)
    exchange(workstation.endpoint, line, lambda _left: None)
    return line.rounds, line.records, line.lists


@pytest.fixture
def workstation(ends: Ends) -> Workstation:
    """Return a workstation whose four records the server has confirmed. The first one has two revisions."""
    made = ends.workstation()
    for name in (*NAMES, NAMES[0]):
        made.writes_record(name)
    ends.sync(made)
    ends.sync(made)
    return made


def the_server_loses(ends: Ends, *names: bytes) -> None:
    for name in names:
        ends.world.execute("DELETE FROM record WHERE name = :name", name=name)


def is_alike(ends: Ends, workstation: Workstation) -> bool:
    return all_of(ends.world.store)["record"] == all_of(workstation.replica)["record"]


def test_records_that_the_server_lost_come_back_in_one_sync(ends: Ends, workstation: Workstation) -> None:
    """Attack: the operator deletes casefiles. Before, each came back only when an adviser changed it."""
    the_server_loses(ends, *NAMES[:3])

    assert counted_sync(ends, workstation) == (2, 3, 1)

    assert is_alike(ends, workstation)
    assert counted_sync(ends, workstation) == (1, 0, 0)


def test_a_record_of_which_the_server_has_an_older_revision_comes_back(ends: Ends) -> None:
    workstation = ends.workstation()
    workstation.writes_record(NAMES[0], "one")
    ends.sync(workstation)
    with ends.world.store.reading() as session:
        old = records.find(session, RecordKind.CASEFILE, NAMES[0])
    assert old is not None
    workstation.writes_record(NAMES[0], "two")
    ends.sync(workstation)
    ends.sync(workstation)
    with ends.world.store.writing() as session:
        records.replace(session, old, goes_to_peers=True)
        outbox.dequeue_record(session, old.kind, old.name)

    assert counted_sync(ends, workstation) == (2, 1, 1)
    assert is_alike(ends, workstation)


def test_an_oversized_name_at_the_server_does_not_stop_the_list(ends: Ends, workstation: Workstation) -> None:
    """Attack: the list with this name fits in no pouch, and no lost record came back."""
    the_server_loses(ends, NAMES[0])
    ends.world.execute("UPDATE record SET name = zeroblob(20000000) WHERE name = :name", name=NAMES[1])

    assert counted_sync(ends, workstation) == (2, 2, 1)

    assert set(NAMES) <= set(casefiles_at_server(ends))
    assert counted_sync(ends, workstation) == (1, 0, 0)


def test_a_flood_of_invented_records_does_not_switch_off_the_list(
    ends: Ends, workstation: Workstation
) -> None:
    """Attack: with more rows than a list may have, no list was sent, and no lost record came back."""
    the_server_loses(ends, NAMES[0])
    ends.world.execute(
        "WITH RECURSIVE at (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM at WHERE id < 65536)"
        " INSERT INTO record (id, kind, name, revision, goes_to_peers, is_dropped)"
        " SELECT -id, 'casefile', CAST(printf('%020d', id) AS BLOB), 1, 1, 0 FROM at"
    )

    assert counted_sync(ends, workstation) == (2, 1, 1)

    assert NAMES[0] in casefiles_at_server(ends)


def test_a_list_of_a_part_says_nothing_about_other_records(
    ends: Ends, workstation: Workstation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each sync lists another part, so that lost records come back after some syncs, and no other is sent."""
    monkeypatch.setattr(listed_records, "_LISTED", 2)
    the_server_loses(ends, NAMES[0])
    sent = 0

    for _ in range(40):
        sent += counted_sync(ends, workstation)[1]

    assert sent == 1
    assert is_alike(ends, workstation)


def test_while_nothing_is_missing_no_list_and_no_record_is_sent(ends: Ends, workstation: Workstation) -> None:
    assert counted_sync(ends, workstation) == (1, 0, 0)
    workstation.writes_record(NAMES[1], "newer")
    assert counted_sync(ends, workstation) == (1, 1, 0)
    a_source(ends.world).writes("vraag")
    assert counted_sync(ends, workstation) == (1, 0, 0)


def test_another_workstations_newer_record_makes_no_one_send_an_older_one(
    ends: Ends, workstation: Workstation
) -> None:
    second = ends.workstation(ends.second_keyring())
    ends.sync(second)
    ends.sync(second)
    workstation.writes_record(NAMES[2], "newer")
    workstation.writes_record(b"n" * 20)
    ends.sync(workstation)

    assert counted_sync(ends, second) == (1, 0, 1)
    assert is_alike(ends, second)
    assert counted_sync(ends, second) == (1, 0, 0)


def test_a_record_that_changed_while_the_server_had_lost_it_is_sent_once(
    ends: Ends, workstation: Workstation
) -> None:
    the_server_loses(ends, NAMES[0])
    workstation.writes_record(NAMES[0], "changed")
    assert counted_sync(ends, workstation)[1:] == (1, 0)
    assert is_alike(ends, workstation)


def test_lost_records_come_back_by_usb_stick(ends: Ends, workstation: Workstation) -> None:
    the_server_loses(ends, *NAMES[:2])
    name = workstation.keyring.strand.id

    import_pouch(workstation.endpoint, build_whole_pouch(ends.server, name))
    import_pouch(ends.server, build_whole_pouch(workstation.endpoint, SERVER))

    assert is_alike(ends, workstation)


def test_a_dropped_record_is_not_sent_again(ends: Ends, workstation: Workstation) -> None:
    """The server forgets a dropped record before the workstations do."""
    with workstation.replica.writing() as session:
        before = records.find(session, RecordKind.CASEFILE, NAMES[0])
        assert before is not None
        opened = workstation._open(NAMES[0], before.sealed)
        letterhead = workstation.endpoint.letterhead()
        secrets = {"keyring": workstation.keyring, "letterhead": letterhead}
        empty = seal_record(RecordKind.CASEFILE, NAMES[0], b"", (before.sealed, opened), **secrets)
        how = {"goes_to_peers": True, "is_dropped": True}
        records.put(session, RecordKind.CASEFILE, NAMES[0], before.revision + 1, empty, **how)
    ends.sync(workstation)
    ends.sync(workstation)
    the_server_cleans_up(ends)
    assert len(casefiles_at_server(ends)) == len(NAMES) - 1

    assert counted_sync(ends, workstation) == (1, 0, 0)


def casefiles_at_server(ends: Ends) -> list[bytes]:
    with ends.world.store.reading() as session:
        return [name for name, _ in records.revisions(session, RecordKind.CASEFILE)]


@pytest.mark.parametrize("is_between", [True, False])
def test_the_records_of_a_mailbox_that_the_server_deletes_are_not_sent_again(
    ends: Ends, monkeypatch: pytest.MonkeyPatch, *, is_between: bool
) -> None:
    """The server deletes a closed mailbox, also while a pouch is packed. Its notes must not come back."""
    adviser = an_adviser(ends)
    source = an_answered_source(ends, adviser)
    casefiles.add_casefile_note(adviser.desk, source.keys.address, "a note", TODAY)
    adviser.closes(source)
    adviser.syncs()
    adviser.syncs()
    ends.clock.day = TODAY + timedelta(days=300)
    if is_between:
        real = outbox.mailboxes_to_pack

        def the_server_deletes_first(session: Session, peer: bytes) -> Sequence[bytes]:
            if peer != SERVER:  # the ends of mailboxes are packed, and the list is not
                the_server_cleans_up(ends)
            return real(session, peer)

        with ends.world.store.writing() as session:  # so that the two lists differ
            records.put(session, "templates", b"x", 1, b"sealed", goes_to_peers=True)
        monkeypatch.setattr(outbox, "mailboxes_to_pack", the_server_deletes_first)
    else:
        the_server_cleans_up(ends)

    adviser.syncs()
    adviser.syncs()

    assert casefiles_at_server(ends) == []
    with adviser.store.reading() as session:
        assert records.revisions(session, RecordKind.CASEFILE) == []
    adviser.desk.stop()


def test_a_pouch_with_more_to_follow_has_no_list(
    ends: Ends, workstation: Workstation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ends of some mailboxes may be in the next pouch."""
    second = ends.workstation(ends.second_keyring())
    for name in (b"a" * 20, b"b" * 20):
        second.writes_record(name)
    ends.sync(second)
    the_server_loses(ends, NAMES[0])
    monkeypatch.setattr(build, "TARGET_BYTES", 1)

    line = Counted(ends, workstation)
    exchange(workstation.endpoint, line, lambda _left: None)

    assert line.more[0]
    assert (line.records, line.lists) == (0, 0)
    monkeypatch.undo()
    assert counted_sync(ends, workstation) == (2, 1, 1)


def test_a_list_that_a_workstation_sends_changes_nothing_at_the_server(
    ends: Ends, workstation: Workstation
) -> None:
    context = ApplyContext(ends.server, None, workstation.keyring.strand.id, None)  # type: ignore[arg-type]
    with ends.world.store.writing() as session:
        assert not listed_records.apply(context, session, RecordsItem(()))
        assert outbox.count(session, workstation.keyring.strand.id) == 0


def test_a_record_whose_newer_revision_waits_is_not_sent_again(
    ends: Ends, workstation: Workstation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The workstation cannot open the newer revision yet. Perhaps the desk dropped the record in it."""

    def cannot_open_yet(*_: object) -> None:
        raise RecordFaultError

    with workstation.replica.writing() as session:
        waiting = records.Record("waiting", NAMES[0] + b":casefile", 1, b"sealed")
        records.replace(session, waiting, goes_to_peers=False)
    monkeypatch.setattr(RecordMerger, "records", cannot_open_yet)
    the_server_loses(ends, NAMES[0])

    assert counted_sync(ends, workstation) == (1, 0, 1)
