"""P5 (tampering shows): a change that the operator undoes at once never makes anyone sign something harmful.

Before some transaction of a use case, the operator changes one value or removes a row. The operator restores
it before the next transaction, or after the use case. In the meantime, a page may show less, and an action
may be refused. But nothing that was signed then is false, and what was acknowledged was done. Afterwards both
ends can read and write everything.
"""

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import pytest

from crypto.errors import CryptoError
from journalist_app.desk.open_desk import OpenDesk, TrustedStateStatus
from journalist_app.desk.verification import conversation_of
from journalist_app.services.closing import ended_mailboxes
from journalist_app.services.records import casefiles
from protocol.content import Content, Kind
from protocol.entry import open_entry
from protocol.identifiers import Digest
from protocol.ledger import ROWS, open_tally
from protocol.transcript.check import FaultKind, Transcript
from protocol.transcript.closing import closed_until
from store import mailbox_tallies
from store.database.engine import Store
from stored_mailbox.reading import read_stored
from tests.journalist_app.desk_factories import TODAY
from tests.pages import hooks
from tests.planted import finds_the_fault
from tests.proofs.conversation import ProofSource
from tests.proofs.momentary import scene as scenes
from tests.proofs.momentary.edits import MomentaryEdit, MomentaryOperator, edits_of, sql
from tests.proofs.momentary.scene import (
    NOTE,
    OF_DESK,
    OF_SOURCE,
    USE_CASES,
    InterruptedUseCase,
    MomentaryScene,
)
from tests.proofs.proof_sizes import IS_WHOLE, print_result
from tests.sync.ends import all_tallies

pytestmark = pytest.mark.slow

HARMLESS = {FaultKind.SIDE_BY_SIDE, FaultKind.REPLAYED}  # an entry was written or given twice
_SAMPLE = 4  # edits for each use case in `make test`
_ROWS = 3  # rows in which `make prove` edits each column, at each moment, for each of the two durations


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> MomentaryScene:
    return scenes.a_scene(tmp_path_factory.mktemp("scene"))


@pytest.fixture
def operator(scene: MomentaryScene, monkeypatch: pytest.MonkeyPatch) -> MomentaryOperator:
    operator = MomentaryOperator(scene.paths)
    operator.watch(monkeypatch)
    return operator


@pytest.mark.parametrize("name", USE_CASES)
def test_an_edit_for_a_moment_is_signed_to_no_ones_harm(
    scene: MomentaryScene, operator: MomentaryOperator, name: str
) -> None:
    cases = cases_of(scene, operator, name)
    if not IS_WHOLE:
        cases = cases[:_SAMPLE]
    for edit, at, is_brief in cases:
        with explaining(f"{name}: {edit} at {at}, {'brief' if is_brief else 'until the end'}"):
            play(scene, operator, name, edit, at, is_brief=is_brief)
    print_result(f"{len(cases)} momentary edits during {name!r}, none to anyone's harm")


def cases_of(
    scene: MomentaryScene, operator: MomentaryOperator, name: str
) -> list[tuple[MomentaryEdit, int, bool]]:
    """Return edits of every column that the use case reads, at each moment before it reads this column.

    For each column, moment and duration, there are the edits of at most `_ROWS` rows. The order is random.
    """
    use_case = USE_CASES[name]
    scene.start(use_case.base)
    every = [edit for place in use_case.places for edit in edits_of(place, scene.paths[place])]
    edits = [edit for edit in every if (edit.place, edit.table, edit.column) not in use_case.spared]
    with operator.noting_reads() as reads:
        use_case.run(scene)
    assert scene.acknowledged == (use_case.makes is not None)
    check(scene, name)
    moments = {edit: sorted(reads.get((f"{edit.place}.{edit.table}", edit.column), ())) for edit in edits}
    cases = [
        (edit, at, is_brief)
        for edit in edits
        for at in moments[edit]
        for is_brief in (True, False)[at == moments[edit][-1] :]  # at the last moment, both are the same
    ]
    random.Random(name).shuffle(cases)
    rows = Counter[tuple[object, ...]]()
    chosen = []
    for edit, at, is_brief in cases:
        rows[alike := (edit.place, edit.table, edit.column, at, is_brief)] += 1
        if rows[alike] <= _ROWS:
            chosen.append((edit, at, is_brief))
    assert chosen
    return chosen


def play(
    scene: MomentaryScene,
    operator: MomentaryOperator,
    name: str,
    edit: MomentaryEdit,
    at: int,
    *,
    is_brief: bool,
) -> None:
    use_case = USE_CASES[name]
    scene.start(use_case.base)
    with operator.acting(edit, at, is_brief=is_brief):
        use_case.run(scene)
    check(scene, name)


def test_a_hidden_step_does_not_make_a_withdrawal_too_late(
    scene: MomentaryScene, operator: MomentaryOperator
) -> None:
    """The attack that was possible: hide the step, let the source withdraw, and restore the step."""
    scene.start("begun")
    (step,) = scene.known["begun"] - scene.known["agreed"]

    with operator.acting(MomentaryEdit("server", "entry", row_of(scene, "server", step), ""), 1):
        USE_CASES["the source takes back"].run(scene)

    found = opened_at(scene.pair.server, scene, scene.source)
    assert found is not None
    new = found.transcript.authentic.keys() - scene.known["begun"]  # a receipt and the withdrawal
    assert [False, False] == [found.transcript.knowledge.all_cover([each], step) for each in new]
    assert "not_passed_on" in hooks(scene.get("/en/mailbox").text, "step")


def test_a_planted_fault_is_found_signatures_are_not_verified(
    scene: MomentaryScene, operator: MomentaryOperator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("protocol.transcript.check.check_signature", lambda *_, **__: None)
    monkeypatch.setattr("protocol.entry.check_signature", lambda *_, **__: None)
    scene.start(USE_CASES["the source writes"].base)  # the use case before may have ended the mailbox
    edit = MomentaryEdit("server", "entry", row_of(scene, "server", scene.of_source), "signature")
    with finds_the_fault():
        for at in range(1, 8):
            play(scene, operator, "the source writes", edit, at, is_brief=False)


def test_a_planted_fault_is_found_what_does_not_open_counts_as_shown(
    scene: MomentaryScene, operator: MomentaryOperator, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Transcript.heads_for
    monkeypatch.setattr(
        Transcript,
        "heads_for",
        lambda self, strand, _shown, *known: real(self, strand, self.authentic, *known),
    )
    scene.start(USE_CASES["the desk answers"].base)
    edit = MomentaryEdit("replica", "sealed", row_of(scene, "replica", scene.of_source), "header")
    with finds_the_fault():
        play(scene, operator, "the desk answers", edit, 1, is_brief=False)


def row_of(scene: MomentaryScene, place: str, digest: Digest) -> int:
    ((row,),) = sql(scene.paths[place], "SELECT id FROM entry WHERE digest = ?", digest)
    return int(str(row))


@contextmanager
def explaining(case: str) -> Iterator[None]:
    try:
        yield
    except BaseException as why:
        why.add_note(case)
        raise


# ---- what must hold


def check(scene: MomentaryScene, name: str) -> None:
    """Check what was signed. Then let both ends work on as usual: nothing is lost or stopped."""
    use_case = USE_CASES[name]
    signed = {digest for store in scene.stores for digest in check_signed(scene, store, use_case)}
    is_ended = opened_at(scene.pair.server, scene, scene.source) is None
    assert is_ended <= (name == "the source ends")
    assert (scene.acknowledged and name == "the source ends") <= is_ended
    assert all(made == scene.file_to_make for made in scene.paper.made)
    scenes.work_on(scene, is_ended=is_ended)
    for store in scene.stores:
        found = opened_at(store, scene, scene.source)
        assert (found is None) == is_ended
        if found is not None:
            assert not found.faults
            assert scene.known[use_case.base] | signed <= found.transcript.authentic.keys()
            assert found.unreadable <= found.transcript.removed.keys()
        check_closed(scene, store, is_last_day=name == "the clean-up on the last day")
    for desk in (scene.desk.desk, scene.unlock().desk):
        check_desk(scene, desk, is_ended=is_ended)


@dataclass(frozen=True)
class OpenedMailbox:
    """A mailbox as it is in one store, with what can be read of it."""

    transcript: Transcript
    contents: dict[Digest, Content]
    faults: list[FaultKind | str]

    @property
    def unreadable(self) -> set[Digest]:
        words = {entry.digest for entry in self.transcript.authentic.values() if entry.envelope.is_words}
        return words - self.contents.keys()


def opened_at(store: Store, scene: MomentaryScene, source: ProofSource) -> OpenedMailbox | None:
    with store.reading() as session:
        stored = read_stored(session, source.keys.address, scene.strands)
    if stored is None:
        return None
    contents = {}
    for entry in stored.transcript.entries:
        with suppress(CryptoError):
            contents[entry.digest] = open_entry(entry, [*scene.identities, source.keys.identity])
    faults = {fault.kind for fault in stored.transcript.faults} - HARMLESS
    others = ["damaged"] * len(stored.damaged) + ["keys"] * (not stored.has_sound_keys)
    return OpenedMailbox(stored.transcript, contents, [*faults, *others])


def check_signed(scene: MomentaryScene, store: Store, use_case: InterruptedUseCase) -> set[Digest]:
    """Check that new entries claim to have seen only what a page had shown, and return their digests."""
    found = opened_at(store, scene, scene.source)
    if found is None:
        return set()
    all_cover, authentic = found.transcript.knowledge.all_cover, found.transcript.authentic
    new = authentic.keys() - scene.known[use_case.base]
    for digest in new:
        news = OF_SOURCE if authentic[digest].envelope.strand else OF_DESK
        claimed = [each for each, content in found.contents.items() if content.text == news]
        was_shown = any(news in page for page in scene.shown)
        assert was_shown or not any(all_cover([digest], each) for each in claimed)
    made = {found.contents[digest].kind for digest in new & found.contents.keys()}
    made |= {authentic[digest].envelope.entry_class for digest in new}
    acts_here = (store is scene.pair.server) == ("server" in use_case.places)
    assert use_case.makes in made or not (scene.acknowledged and acts_here)
    assert not (use_case.is_refused and (scene.acknowledged or Kind.STEP in made))
    assert (closed_until(found.transcript) is not None) == (Kind.CLOSING in made)
    return new


def check_closed(scene: MomentaryScene, store: Store, *, is_last_day: bool) -> None:
    """The mailbox that the desk closed is deleted and counted on its last day, and not before."""
    found = opened_at(store, scene, scene.pair.good)
    assert (found is None) == is_last_day
    with store.reading() as session:
        sealed = [*mailbox_tallies.find(session, scene.pair.good.keys.address), *all_tallies(store)]
    ids = set()
    for tally in sealed:
        with suppress(CryptoError):  # the operator changed a copy of it
            ids.add(open_tally(tally, scene.identities, scene.strands).id)
    # A tally that is changed while the server moves it to the ledger is lost there.
    assert len(ids) >= ROWS - (is_last_day and store is scene.pair.server)


def check_desk(scene: MomentaryScene, desk: OpenDesk, *, is_ended: bool) -> None:
    """The workstation has its memory and its notes, can answer, and knows why the mailbox is gone."""
    address = scene.source.keys.address
    assert desk.trusted_state_status is TrustedStateStatus.SOUND
    assert NOTE in {note.text for note in casefiles.read_casefile(desk, address).notes}
    if is_ended:
        (row,) = ended_mailboxes.list_unacknowledged(desk, TODAY)
        assert ended_mailboxes.end_by_source(desk, row) is not None
    else:
        conversation = conversation_of(desk, address)
        assert conversation.may_answer, conversation.faults
