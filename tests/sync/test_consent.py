"""Consent race: a withdrawal that reaches the server before the step is in time, and no file is made."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import MailboxNotFoundError, PassOnRefusal, UnsoundMailboxError
from journalist_app.services.mailbox import read_thread
from journalist_app.services.passing_on import make_export, pass_on
from journalist_app.services.whole_desk import sync_status, unlocking
from protocol.content import (
    AnswerNote,
    Content,
    Kind,
    PassOnRecipient,
    ProposalNote,
    StepName,
    Verdict,
    proposal_digest,
)
from protocol.entry import SignedEntry, open_entry
from protocol.identifiers import Digest, EntryId
from protocol.pouch.pouch_file import SERVER
from protocol.transcript.proposal_states import ProposalStatus
from protocol.transcript.thread_state import ThreadState, thread_state
from store import peers
from store.database.engine import Store
from stored_mailbox.entry_form import FormContext
from sync import build
from sync.apply import apply_pouch
from sync.build import build_pouch_files, build_whole_pouch
from sync.errors import SyncRefusal, SyncRefusedError
from tests.journalist_app.desk_factories import PASSPHRASE, TODAY, ASource, World, a_source
from tests.journalist_app.refusals import refuses
from tests.journalist_app.views.paper import KEY, Paper
from tests.planted import finds_the_fault
from tests.sync.ends import Ends, Workstation, answer, copy_of, restore, sync_refused

_ids = itertools.count(1)


@dataclass(slots=True)
class Case:
    """Source who agreed to a proposal, and a workstation whose replica has that answer."""

    ends: Ends
    workstation: Workstation
    source: ASource
    desk: OpenDesk
    paper: Paper
    proposal: EntryId
    digest: Digest
    agreed: SignedEntry

    def sync(self) -> None:
        self.ends.sync(self.workstation)

    def answers(self, verdict: Verdict) -> SignedEntry:
        note = AnswerNote(verdict=verdict, proposal=self.digest)
        return self.source.says(Content(kind=Kind.ANSWER, text="", answer=note))

    def begins(self) -> None:
        pass_on.begin_passing_on(self.desk, self._sheet(), self.proposal, today=TODAY)

    def makes(self) -> bytes:
        with make_export.make_export(self.desk, self._sheet(), self.proposal, today=TODAY) as file:
            return file.read()

    def thread_state_at(self, store: Store) -> ThreadState:
        """Return the thread state that both interfaces derive from a store."""
        transcript = ASource(replace(self.source.world, store=store), self.source.keys).reads().transcript
        identity = self.source.keys.identity
        opened = [
            (each, open_entry(each, [identity]) if each.header else None) for each in transcript.entries
        ]
        return thread_state(self.source.keys.address, transcript, opened)

    def _sheet(self) -> FormContext:
        address = self.source.keys.address
        page = read_thread.open_thread(self.desk, address, today=TODAY, is_whole=True)
        return FormContext(address, EntryId(next(_ids).to_bytes(16)), page.heads, page.unseen)


@pytest.fixture
def case(ends: Ends, tmp_path: Path) -> Case:
    workstation = ends.workstation()
    # Most addresses are smaller than the largest of five, so another mailbox can soon be packed first.
    source = max((a_source(ends.world) for _ in range(5)), key=lambda each: each.keys.address)
    source.writes("vraag")
    ends.sync(workstation)
    replica = World(ends.world.config, workstation.keyring, ends.world.letterhead, workstation.replica)
    note = ProposalNote(recipient=PassOnRecipient.SG, name="Secretaris-generaal", fingerprint=KEY)
    content = Content(kind=Kind.PROPOSAL, text="Woord voor woord.", proposal=note)
    proposal = ASource(replica, source.keys).is_told(content).envelope.entry_id
    ends.sync(workstation)
    digest = proposal_digest(content, address=source.keys.address, entry_id=proposal)
    desk = unlocking.unlock_desk(ends.world.config, workstation.replica, PASSPHRASE)
    desk.exporter = paper = Paper(tmp_path)
    agreement = Content(kind=Kind.ANSWER, text="", answer=AnswerNote(verdict=Verdict.AGREED, proposal=digest))
    agreed = source.says(agreement)
    ends.sync(workstation)
    return Case(ends, workstation, source, desk, paper, proposal, digest, agreed)


def test_a_file_without_withdrawal_is_made_after_the_server_confirmed(case: Case) -> None:
    case.begins()
    with refuses(PassOnRefusal.NOT_CONFIRMED):
        case.makes()
    case.sync()

    assert case.makes()

    case.sync()
    for store in (case.ends.world.store, case.workstation.replica):
        (proposed,) = case.thread_state_at(store).proposals
        assert proposed.state is ProposalStatus.PASSED_ON


@pytest.mark.parametrize(
    ("takes_back", "state"),
    [
        (lambda case: case.answers(Verdict.TAKEN_BACK), ProposalStatus.TAKEN_BACK),
        (lambda case: case.source.removes(case.answers(Verdict.TAKEN_BACK)), ProposalStatus.TAKEN_BACK),
        (lambda case: case.source.removes(case.agreed), ProposalStatus.WAITING),
    ],
    ids=["says so", "says so and deletes that", "deletes the agreement"],
)
def test_a_withdrawal_before_the_step_reaches_the_server_counts(
    case: Case, takes_back: Callable[[Case], object], state: ProposalStatus
) -> None:
    case.begins()
    takes_back(case)
    with refuses(PassOnRefusal.NOT_CONFIRMED):
        case.makes()
    case.sync()

    with refuses(PassOnRefusal.WITHDRAWN):
        case.makes()

    assert case.paper.made == []
    case.sync()
    for store in (case.ends.world.store, case.workstation.replica):
        thread_state = case.thread_state_at(store)
        assert thread_state.proposals[0].state is state
        assert [step.is_void for step in thread_state.steps if step.step is StepName.PASSING_ON] == [True]


@pytest.mark.parametrize("way", ["a line that breaks", "a stick"])
def test_a_step_on_its_way_is_not_confirmed(case: Case, way: str) -> None:
    """The pouch with the step has left the workstation, and the source takes the agreement back."""
    case.begins()
    if way == "a line that breaks":

        def breaks(_pouch: bytes) -> bytes:
            raise SyncRefusedError(SyncRefusal.UNREACHABLE)

        with sync_refused(SyncRefusal.UNREACHABLE):
            case.ends.sync(case.workstation, breaks)
    else:
        b"".join(build_whole_pouch(case.workstation.endpoint, SERVER))
    case.answers(Verdict.TAKEN_BACK)

    with refuses(PassOnRefusal.NOT_CONFIRMED):
        case.makes()

    case.sync()
    with refuses(PassOnRefusal.WITHDRAWN):
        case.makes()
    assert case.paper.made == []


def another_mailbox_is_packed_first(case: Case) -> None:
    """Write in new mailboxes until one has a smaller address. Addresses decide the order in pouches."""
    while True:
        other = a_source(case.ends.world)
        other.writes("vraag")
        if other.keys.address < case.source.keys.address:
            return


@pytest.mark.parametrize("way", ["a line that breaks", "sticks of which one is lost"])
def test_a_step_is_not_confirmed_before_the_whole_answer_arrived(
    case: Case, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """The first pouch confirms the step, and the last pouch has the source's withdrawal."""
    server, strand = case.ends.server, case.workstation.keyring.strand.id
    case.begins()
    case.answers(Verdict.TAKEN_BACK)
    another_mailbox_is_packed_first(case)
    if way == "a line that breaks":
        rounds = itertools.count(1)

        def breaks(pouch: bytes) -> bytes:
            if next(rounds) > 2:
                raise SyncRefusedError(SyncRefusal.UNREACHABLE)
            return answer(server, pouch)

        monkeypatch.setattr(build, "TARGET_BYTES", 1)
        with sync_refused(SyncRefusal.UNREACHABLE):
            case.ends.sync(case.workstation, breaks)
    else:
        there = b"".join(build_whole_pouch(case.workstation.endpoint, SERVER))
        apply_pouch(server, lambda: [there], is_direct=False)
        first = b"".join(next(build_pouch_files(server, strand, 1)))
        apply_pouch(case.workstation.endpoint, lambda: [first], is_direct=False)

    with refuses(PassOnRefusal.NOT_CONFIRMED, PassOnRefusal.WITHDRAWN):
        case.makes()
    case.sync()
    with refuses(PassOnRefusal.WITHDRAWN):
        case.makes()
    assert case.paper.made == []


def test_a_planted_fault_is_found_the_file_is_made_at_once(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make_export, "is_confirmed_by_server", lambda *_: True)
    with finds_the_fault():
        test_a_step_on_its_way_is_not_confirmed(case, "a stick")


def test_a_planted_fault_is_found_the_beginning_of_an_answer_confirms_the_step(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "set_has_more", lambda *_, **__: None)
    with finds_the_fault():
        test_a_step_is_not_confirmed_before_the_whole_answer_arrived(
            case, monkeypatch, "sticks of which one is lost"
        )


def test_a_complete_answer_on_several_sticks_confirms_a_step(case: Case) -> None:
    server, strand = case.ends.server, case.workstation.keyring.strand.id
    case.begins()
    there = b"".join(build_whole_pouch(case.workstation.endpoint, SERVER))
    apply_pouch(server, lambda: [there], is_direct=False)
    for _ in range(3):
        a_source(case.ends.world).writes("vraag")
    parts = [b"".join(pieces) for pieces in build_pouch_files(server, strand, 1)]
    for part in parts[:-1]:
        apply_pouch(case.workstation.endpoint, lambda part=part: [part], is_direct=False)
        with refuses(PassOnRefusal.NOT_CONFIRMED):
            case.makes()

    apply_pouch(case.workstation.endpoint, lambda: [parts[-1]], is_direct=False)
    assert case.makes()


def test_an_ending_before_the_step_reaches_the_server_counts(case: Case) -> None:
    case.begins()
    case.source.ends()
    case.sync()

    with pytest.raises(MailboxNotFoundError):
        case.makes()

    assert case.paper.made == []


@pytest.mark.parametrize("has_begun", [False, True])
def test_a_withdrawal_that_was_damaged_at_the_server_stops_the_file(case: Case, *, has_begun: bool) -> None:
    """Someone who can write to the server's store must not be able to make the desk pass something on."""
    if has_begun:
        case.begins()
    back = case.answers(Verdict.TAKEN_BACK)
    case.ends.world.execute(
        "UPDATE sealed SET payload = x'00' WHERE id IN (SELECT id FROM entry WHERE digest = :digest)",
        digest=back.digest,
    )
    case.sync()

    does: Callable[[], object] = case.makes if has_begun else case.begins
    with pytest.raises(UnsoundMailboxError):
        does()

    assert case.paper.made == []


def a_restore_undoes_the_withdrawal(case: Case) -> None:
    """Take the agreement back, restore the server from a backup made before that, and sync."""
    backup = copy_of(case.ends.world.store, case.ends.folder / "backup.db")
    case.answers(Verdict.TAKEN_BACK)
    restore(case.ends.world.store, backup)
    with case.ends.world.store.writing() as session:
        peers.forget_applied(session)  # as `steunpunt restore` does
    case.sync()


def test_after_a_restore_of_the_server_nothing_is_passed_on_before_the_adviser_read_the_warning(
    case: Case,
) -> None:
    """The backup was made before the source took the agreement back, and no workstation had synced that."""
    a_restore_undoes_the_withdrawal(case)

    with refuses(PassOnRefusal.SERVER_RESTORED):
        case.begins()
    assert case.thread_state_at(case.workstation.replica).proposals[0].state is ProposalStatus.AGREED

    sync_status.dismiss_rollback(case.desk)
    case.begins()


def test_after_a_restore_of_the_server_no_file_is_made_before_the_adviser_read_the_warning(
    case: Case,
) -> None:
    """Passing on had begun here before the source took the agreement back, which the restore has undone."""
    case.begins()
    a_restore_undoes_the_withdrawal(case)

    with refuses(PassOnRefusal.SERVER_RESTORED):
        case.makes()
    assert case.paper.made == []

    sync_status.dismiss_rollback(case.desk)
    assert case.makes()
