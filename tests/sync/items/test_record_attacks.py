"""Attacks of a dishonest server on the desk's records, on a real pair of workstations."""

import random
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial

import msgspec
import pytest
from sqlalchemy import text

from crypto import age
from journalist_app.desk.casefile import Evidence, EvidenceKind
from journalist_app.desk.verification import conversation_of
from journalist_app.services.mailbox import count_for_report
from journalist_app.services.records import casefiles, reply_templates
from journalist_app.services.whole_desk import sync_status
from journalist_app.services.whole_desk.merge_records import RecordMerger
from protocol.identifiers import Address, Digest
from protocol.keyring import create_keyring
from protocol.sealed_record import RecordKind
from store import outbox, records, sync_findings
from store.outbox import OutboxKind, record_name
from store.records import Record
from store.sync_findings import FindingKind
from sync.items import record_item
from tests.journalist_app.desk_factories import TODAY, a_source
from tests.planted import finds_the_fault
from tests.sync.desks import AtDesk, an_adviser, the_server_cleans_up
from tests.sync.ends import Ends, all_of
from tests.sync.test_exchange import record_of

_INFLATED = 2**40  # the server's column is not signed, so the server can claim any revision


@dataclass(slots=True)
class DishonestServer:
    """Two workstations and a dishonest server, which can show each of them any record."""

    ends: Ends
    first: AtDesk
    second: AtDesk
    address: Address
    genuine: list[bytes] = field(default_factory=list)  # revisions that a workstation sent to the server

    def sync(self, *workstations: AtDesk) -> None:
        for each in workstations:
            each.syncs()
            if (stored := self.at_server()) and stored not in self.genuine:
                self.genuine.append(stored)

    def at_server(self, address: Address | None = None) -> bytes:
        with self.ends.world.store.reading() as session:
            found = records.find(session, RecordKind.CASEFILE, address or self.address)
        return b"" if found is None else found.sealed

    def server_shows(self, workstation: AtDesk, sealed: bytes) -> None:
        """Replace the casefile on the server, and send it to a workstation in its next sync."""
        self.ends.world.execute(
            "UPDATE sealed SET header = :sealed WHERE id ="
            " (SELECT id FROM record WHERE kind = 'casefile' AND name = :name)",
            sealed=sealed,
            name=self.address,
        )
        self.ends.world.execute(
            "UPDATE record SET revision = :revision WHERE name = :name", revision=_INFLATED, name=self.address
        )
        with self.ends.world.store.writing() as session:
            outbox.enqueue_for(
                session,
                workstation.desk.keyring.strand.id,
                OutboxKind.RECORD,
                name=record_name(RecordKind.CASEFILE, self.address),
            )

    def change(self, workstation: AtDesk, said: str, **changed: object) -> None:
        """Add a note at a workstation, and change fields of the casefile."""
        casefiles.add_casefile_note(workstation.desk, self.address, said, TODAY)
        casefiles.update_casefile(
            workstation.desk, self.address, lambda now: msgspec.structs.replace(now, **changed)
        )

    def notes(self, workstation: AtDesk) -> set[str]:
        return {each.text for each in casefiles.read_casefile(workstation.desk, self.address).notes}


@pytest.fixture
def scene(ends: Ends) -> Iterator[DishonestServer]:
    first = an_adviser(ends)
    second = an_adviser(ends, ends.second_keyring())
    source = a_source(ends.world)
    source.writes("vraag")
    made = DishonestServer(ends, first, second, source.keys.address)
    made.sync(first, second, first, second)
    evidence = Evidence(kind=EvidenceKind.PROPOSAL, day=TODAY, entry=Digest(bytes(32)), body=b"{}")
    made.change(first, "first note", evidence=(evidence,), theme="bullying")
    made.sync(first, second)
    made.change(first, "second note")
    count_for_report.save_counts(first.desk, conversation_of(first.desk, made.address))
    made.sync(first, second)  # no check has anything left to save
    yield made
    for each in (first, second):
        each.desk.stop()


def kept_at(workstation: AtDesk) -> list[tuple[object, ...]]:
    """Return every row of the records that this workstation shows."""
    with workstation.store.reading() as session:
        return [
            tuple(row)
            for row in session.execute(
                text(
                    "SELECT kind, name, revision, header FROM record JOIN sealed USING (id)"
                    " WHERE goes_to_peers ORDER BY kind, name"
                )
            )
        ]


def another_mailboxes_record(scene: DishonestServer) -> bytes:
    other = a_source(scene.ends.world)
    other.writes("een andere vraag")
    scene.sync(scene.second)
    casefiles.add_casefile_note(scene.second.desk, other.keys.address, "about another source", TODAY)
    scene.sync(scene.second)
    return scene.at_server(other.keys.address)


# ---- four forgeries


@pytest.mark.parametrize("forgery", ["random bytes", "one changed byte", "another mailbox's record"])
def test_a_forged_record_changes_nothing_and_is_reported(scene: DishonestServer, forgery: str) -> None:
    shown = bytearray(scene.at_server())
    shown[len(shown) // 2] ^= 1
    forged = {
        "random bytes": lambda: secrets.token_bytes(5000),
        "one changed byte": lambda: bytes(shown),
        "another mailbox's record": lambda: another_mailboxes_record(scene),
    }[forgery]()
    scene.sync(scene.first)
    before, casefile = kept_at(scene.first), casefiles.read_casefile(scene.first.desk, scene.address)

    scene.server_shows(scene.first, forged)
    scene.sync(scene.first)

    assert kept_at(scene.first) == before
    assert casefiles.read_casefile(scene.first.desk, scene.address) == casefile
    assert casefiles.read_casefile(scene.second.desk, scene.address) == casefile
    (found,) = sync_status.faults_at_server(scene.first.desk)
    assert (found.address, found.faults) == (scene.address.hex(), ("forged_record_at_server",))


def test_an_earlier_genuine_revision_changes_nothing_and_the_server_gets_ours(scene: DishonestServer) -> None:
    before, newest = kept_at(scene.first), scene.at_server()
    assert len(scene.genuine) >= 2

    scene.server_shows(scene.first, scene.genuine[0])
    scene.sync(scene.first)

    assert kept_at(scene.first) == before
    assert scene.at_server() == newest
    assert sync_status.faults_at_server(scene.first.desk) == ()


@pytest.mark.slow
@pytest.mark.parametrize(
    "attack",
    [
        partial(test_a_forged_record_changes_nothing_and_is_reported, forgery="random bytes"),
        test_an_earlier_genuine_revision_changes_nothing_and_the_server_gets_ours,
    ],
)
def test_a_planted_fault_is_found_what_the_server_sends_replaces_ours(
    scene: DishonestServer, attack: Callable[[DishonestServer], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def planted(_self: object, kind: str, name: bytes, _ours: bytes, theirs: bytes) -> Record:
        return Record(kind, name, _INFLATED, theirs, is_dropped=False)

    monkeypatch.setattr(RecordMerger, "records", planted)
    with finds_the_fault():
        attack(scene)


def test_a_forged_record_does_not_stop_a_newer_honest_one(scene: DishonestServer) -> None:
    scene.server_shows(scene.first, secrets.token_bytes(5000))
    scene.sync(scene.first, scene.second)
    scene.change(scene.second, "third note")
    scene.sync(scene.second, scene.first)

    for each in (scene.first, scene.second):
        assert scene.notes(each) == {"first note", "second note", "third note"}
    assert scene.first.desk.unsound_casefiles == set()


def test_an_honest_newer_record_replaces_ours_as_it_is(scene: DishonestServer) -> None:
    scene.change(scene.second, "third note")
    scene.sync(scene.second, scene.first)

    assert kept_at(scene.first) == kept_at(scene.second)
    assert scene.notes(scene.first) == {"first note", "second note", "third note"}
    assert sync_status.faults_at_server(scene.first.desk) == ()


# ---- two histories


def test_an_equivocating_server_makes_no_acknowledged_note_vanish(scene: DishonestServer) -> None:
    """Attack: the server shows each workstation only revisions of the other history, and any earlier
    revision.
    """
    chosen = random.Random(7)
    written = {f"note {number}" for number in range(50)}
    for number, said in enumerate(sorted(written)):
        casefiles.add_casefile_note((scene.first, scene.second)[number % 2].desk, scene.address, said, TODAY)
    scene.sync(scene.first, scene.second, scene.first)
    themes = ("bullying", "intimidation", "racism")
    for turn in range(28):
        for each in (scene.first, scene.second):
            said = f"{each.desk.keyring.strand.name} {turn}"
            written.add(said)
            handover = f"{said} " + "x" * chosen.randrange(19_000)
            scene.change(each, said, theme=chosen.choice(themes), handover=handover)
            scene.server_shows(each, chosen.choice(scene.genuine))
            scene.sync(each)

    for _ in range(2):  # from here on, the server is honest
        scene.sync(scene.first, scene.second)

    assert written <= scene.notes(scene.first)
    assert written <= scene.notes(scene.second)
    assert kept_at(scene.first) == kept_at(scene.second)
    assert all(
        casefiles.read_casefile(each.desk, scene.address).evidence for each in (scene.first, scene.second)
    )


# ---- a retired workstation, and dropped casefiles


def test_a_retired_workstations_revision_removes_nothing(scene: DishonestServer) -> None:
    """Attack: a thief of a retired workstation's keyring works together with the server."""
    scene.change(scene.second, "by the thief", labels=("theirs",))
    casefiles.update_casefile(
        scene.second.desk, scene.address, lambda now: msgspec.structs.replace(now, notes=(), evidence=())
    )
    scene.sync(scene.second)
    scene.ends.retire(scene.second.desk.keyring.strand.id, TODAY - timedelta(days=1))

    scene.sync(scene.first)

    casefile = casefiles.read_casefile(scene.first.desk, scene.address)
    assert {each.text for each in casefile.notes} == {"first note", "second note"}
    assert len(casefile.evidence) == 1
    assert casefile.labels == ("theirs",)


def drop(scene: DishonestServer, workstation: AtDesk) -> None:
    with workstation.store.writing() as session:
        casefiles.drop_casefile(workstation.desk, session, scene.address)


def test_a_dropped_casefile_goes_once_every_workstation_has_dropped_it(scene: DishonestServer) -> None:
    drop(scene, scene.first)
    scene.sync(scene.first)
    the_server_cleans_up(scene.ends)
    assert scene.at_server() != b""  # the second workstation has not been told

    scene.sync(scene.second, scene.first)

    for each in (scene.first, scene.second):
        assert kept_at(each) == []
        assert each.desk.unsound_casefiles == set()
        assert casefiles.read_casefile(each.desk, scene.address).notes == ()
    scene.sync(scene.second)
    the_server_cleans_up(scene.ends)
    assert scene.at_server() == b""


def test_a_note_written_while_another_drops_the_casefile_stays(scene: DishonestServer) -> None:
    drop(scene, scene.first)
    scene.change(scene.second, "third note")

    scene.sync(scene.first, scene.second, scene.first)

    for each in (scene.first, scene.second):
        assert scene.notes(each) == {"first note", "second note", "third note"}


def test_a_server_that_sends_a_dropped_casefile_again_does_not_undo_the_drop(scene: DishonestServer) -> None:
    source = a_source(scene.ends.world)
    source.writes("vraag")
    scene.sync(scene.first, scene.second)
    casefiles.add_casefile_note(scene.first.desk, source.keys.address, "about a source", TODAY)
    scene.sync(scene.first, scene.second)
    dropped = scene.at_server(source.keys.address)
    source.ends()
    scene.sync(scene.first, scene.second)
    scene.first.counts(source)
    scene.sync(scene.first, scene.second, scene.first, scene.second)
    the_server_cleans_up(scene.ends)
    assert scene.at_server(source.keys.address) == b""

    with scene.ends.world.store.writing() as session:
        records.put(session, RecordKind.CASEFILE, source.keys.address, 1, dropped, goes_to_peers=True)
    for _ in range(2):
        scene.sync(scene.first, scene.second)

    for each in (scene.first, scene.second):
        assert casefiles.read_casefile(each.desk, source.keys.address).notes == ()
        assert source.keys.address not in each.desk.unsound_casefiles


# ---- records that wait, and a damaged server


def test_a_record_that_does_not_open_yet_is_kept_and_tried_again(ends: Ends) -> None:
    """The first workstation does not have the key (epoch) to which the second one encrypts."""
    first, second = ends.workstation(), ends.workstation(ends.second_keyring())
    able = first.endpoint.merger
    lacking = RecordMerger(replace(first.keyring, epochs={}), first.endpoint.letterhead, ends.clock.today)
    first.endpoint = replace(first.endpoint, merger=lacking)
    second.writes_record(b"name", "of the new epoch")
    ends.sync(second)

    ends.sync(first)
    assert record_of(first.replica, b"name") is None
    first.endpoint = replace(first.endpoint, merger=able)
    ends.sync(first)

    assert first.reads_record(b"name") == "of the new epoch"
    assert all_of(first.replica)["record"] == all_of(ends.world.store)["record"]
    with first.replica.reading() as session:
        assert records.all_records(session, "waiting") == []
        assert sync_findings.all_findings(session) == []


def test_a_record_that_never_opens_is_reported_once_it_could(ends: Ends) -> None:
    first = ends.workstation()
    ends.sync(first)
    able = first.endpoint.merger
    lacking = RecordMerger(replace(first.keyring, epochs={}), first.endpoint.letterhead, ends.clock.today)
    first.endpoint = replace(first.endpoint, merger=lacking)
    stranger = create_keyring("Werkstation 9", []).epochs[1].recipient
    sealed = age.encrypt(b"nonsense", [stranger])
    with ends.world.store.writing() as session:
        forged = sealed.header + sealed.payload
        records.put(session, RecordKind.TEMPLATES, b"replies", 1, forged, goes_to_peers=True)

    ends.sync(first)
    first.endpoint = replace(first.endpoint, merger=able)
    ends.sync(first)

    with first.replica.reading() as session:
        (found,) = sync_findings.all_findings(session)
        assert records.revisions(session, RecordKind.TEMPLATES) == []
    assert (found.address, found.kind) == (sync_findings.NO_MAILBOX, FindingKind.FORGED_RECORD)


@pytest.mark.parametrize(("limit", "most"), [("_WAITING_RECORDS", 3), ("_WAITING_BYTES", 350)])
def test_invented_records_of_a_later_version_wait_up_to_a_limit(
    ends: Ends, monkeypatch: pytest.MonkeyPatch, limit: str, most: int
) -> None:
    """Attack: the operator fills the disk of a workstation with records that it cannot open."""
    monkeypatch.setattr(record_item, limit, most)
    first = ends.workstation()
    with ends.world.store.writing() as session:
        for number in range(5):
            records.put(session, "later", bytes([number]), 1, bytes(100), goes_to_peers=True)

    ends.sync(first)

    def waiting() -> list[object]:
        with first.replica.reading() as session:
            return list(session.execute(text("SELECT id FROM record WHERE kind = 'waiting' ORDER BY id")))

    kept = waiting()
    ends.sync(first)
    assert len(kept) == 3
    assert waiting() == kept  # not written again
    with first.replica.reading() as session:
        assert [each.kind for each in sync_findings.all_findings(session)] == [FindingKind.WAITING_RECORD]


def test_an_honest_record_that_is_one_too_many_is_not_called_forged(
    scene: DishonestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack: the operator invents records up to the limit, so that the app accuses an honest workstation."""
    monkeypatch.setattr(record_item, "_WAITING_RECORDS", 0)
    with scene.ends.world.store.writing() as session:
        records.put(session, "later", b"of a newer version", 1, bytes(100), goes_to_peers=True)

    scene.sync(scene.first)

    (found,) = sync_status.faults_at_server(scene.first.desk)
    assert (found.label, found.faults, found.is_here) == ("", ("waiting_record_at_server",), False)


def test_a_note_that_a_replica_calls_dropped_is_not_dropped_at_the_server(scene: DishonestServer) -> None:
    """Attack: someone changes the unsigned column `is_dropped` of a replica while a sync reads it."""
    casefiles.add_casefile_note(scene.first.desk, scene.address, "third note", TODAY)
    with scene.first.store.writing() as session:
        session.execute(text("UPDATE record SET is_dropped = TRUE"))

    scene.sync(scene.first, scene.second, scene.second)
    the_server_cleans_up(scene.ends)

    assert scene.at_server()
    assert "third note" in scene.notes(scene.second)


def test_a_damaged_record_on_the_server_is_replaced_by_ours(scene: DishonestServer) -> None:
    sound = scene.at_server()
    scene.server_shows(scene.first, sound[:-1] + bytes([sound[-1] ^ 1]))

    scene.sync(scene.first)

    assert scene.at_server() == sound
    assert [each.faults for each in sync_status.faults_at_server(scene.first.desk)] == [
        ("forged_record_at_server",)
    ]


def test_reply_templates_that_the_server_forged_are_named_on_the_page(scene: DishonestServer) -> None:
    with scene.ends.world.store.writing() as session:
        records.put(session, RecordKind.TEMPLATES, b"replies", 1, b"forged", goes_to_peers=True)

    scene.sync(scene.first)

    (found,) = sync_status.faults_at_server(scene.first.desk)
    assert (found.label, found.faults, found.is_here) == ("", ("forged_record_at_server",), False)
    assert scene.first.desk.unsound == {}
    assert not reply_templates.read_templates(scene.first.desk).is_unsound
