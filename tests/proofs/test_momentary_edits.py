"""P5 (tampering shows): a change that the operator undoes at once never makes anyone sign something harmful.

Before each transaction of a use case, the operator changes one value in a row, or removes a row. When the use
case has ended, the operator restores everything. A page may show less while the row is changed, and a message
may be refused with its text. But nothing that the source signed then is false, every entry can be read
afterwards, and an acknowledged message is in the mailbox.
"""

import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from protocol.content import StepName, Verdict
from protocol.envelope import EntryClass
from protocol.identifiers import Digest
from protocol.mailbox_keys import MailboxKeys
from protocol.session import token_hash
from protocol.transcript.check import FaultKind
from source_app.services.verified_mailbox import read_mailbox
from store.database.engine import Store
from tests.proofs.proof_sizes import IS_WHOLE, print_result
from tests.source_app.desks import ADesk, SourceBrowser, make_desk
from web.dates import half_hour_now

pytestmark = pytest.mark.slow

_SAMPLE = 40  # edits for each use case in `make test`; `make prove` tries all of them
_TABLES = ("mailbox", "entry", "sealed")
_UNTOUCHED = {"id", "address", "shield"}  # without its id or address, a row is only missing, which we try too

QUESTION, ANSWER, NEWS = "the first question", "the answer of the desk", "the news"


@dataclass
class EditedMailbox:
    """A mailbox in which source and desk wrote, read and agreed, and the browser of its source."""

    desk: ADesk
    browser: SourceBrowser
    keys: MailboxKeys
    proposal: str
    session: tuple[bytes, bytes]  # its name and its encrypted state
    moment: "Moments"

    def sql(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self.desk.store.path)) as connection, connection:
            connection.execute("PRAGMA ignore_check_constraints=ON")
            return connection.execute(statement, values).fetchall()


@dataclass
class Moments:
    """Counter of the transactions of a use case, which calls the operator's change before one of them."""

    at: int = -1
    operator: Callable[[], None] = lambda: None
    count: int = -1  # not counting

    def before_transaction(self) -> None:
        if self.count < 0:
            return
        self.count += 1
        if self.count == self.at:
            at_once, self.count = self.count, -1
            self.operator()
            self.count = at_once


@dataclass(frozen=True)
class Edit:
    """One change by the operator: of one column of a row, or of the whole row if `column` is empty."""

    table: str
    row: int
    column: str


def write(scene: EditedMailbox) -> str:
    """Send a message. Return the text if it was acknowledged."""
    sent = scene.browser.write(NEWS)
    assert sent.status_code == 303 or NEWS in sent.text
    return NEWS if sent.status_code == 303 else ""


def read(scene: EditedMailbox) -> str:
    assert scene.browser.get("/en/mailbox").status_code in {200, 303}
    return ""


def remove(scene: EditedMailbox) -> str:
    entry_id = scene.desk.entries_of(scene.keys, EntryClass.WORDS, 0)[0].envelope.entry_id.hex()
    path = f"/en/mailbox/delete/{entry_id}"
    page = scene.browser.get(path)
    if page.status_code == 200:
        scene.browser.post(path, scene.browser.hidden(page, path))
    return ""


def take_back(scene: EditedMailbox) -> str:
    path = f"/en/mailbox/proposal/{scene.proposal}"
    page = scene.browser.get(path)
    if page.status_code == 200 and 'value="taken_back"' in page.text:
        fields = scene.browser.hidden(page, path) | {"verdict": Verdict.TAKEN_BACK.value}
        scene.browser.post(path, fields)
    return ""


USE_CASES = {"write": write, "read": read, "remove": remove, "take back": take_back}


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EditedMailbox:
    desk = make_desk(tmp_path)
    browser = desk.browser()
    browser.start()
    keys = desk.keys_of(browser)
    browser.write(QUESTION)
    desk.answer(keys, ANSWER)
    browser.get("/en/mailbox")
    proposal = desk.propose(keys, "the text to pass on").envelope.entry_id.hex()
    path = f"/en/mailbox/proposal/{proposal}"
    fields = browser.hidden(browser.get(path), path) | {"verdict": Verdict.AGREED.value, "sure": "y"}
    assert browser.post(path, fields).status_code == 303
    desk.receipt(keys)
    cookie = browser.client.get_cookie("mailbox")
    assert cookie is not None
    name = token_hash(bytes.fromhex(cookie.value))
    box = desk.desk.sessions.get(name, half_hour_now())
    assert box is not None
    made = EditedMailbox(desk, browser, keys, proposal, (name, box), Moments())
    for kind in ("reading", "writing"):
        monkeypatch.setattr(Store, kind, _counted(getattr(Store, kind), made.moment))
    return made


def _counted(opened: Callable[..., AbstractContextManager[object]], moment: Moments) -> object:
    @contextmanager
    def counting(store: Store, **how: bool) -> Iterator[object]:
        moment.before_transaction()
        with opened(store, **how) as session:
            yield session

    return counting


@pytest.mark.parametrize("use_case", USE_CASES)
def test_an_edit_for_a_moment_is_signed_to_no_ones_harm(scene: EditedMailbox, use_case: str) -> None:
    path = scene.desk.store.path
    scene.desk.store.checkpoint()
    before = path.read_bytes()
    scene.moment.count = 0
    USE_CASES[use_case](scene)
    moments, scene.moment.count = scene.moment.count, -1
    _reset(scene, before)
    cases = [(edit, at) for edit in _edits(scene) for at in range(1, moments + 1)]
    if not IS_WHOLE:
        cases = random.Random(use_case).sample(cases, min(_SAMPLE, len(cases)))
    for edit, at in cases:
        _play(scene, use_case, edit, at)
        _reset(scene, before)
    print_result(f"{len(cases)} momentary edits during {use_case!r}, none signed to anyone's harm")


def test_a_hidden_step_does_not_make_a_withdrawal_too_late(scene: EditedMailbox) -> None:
    """Attack that was once possible: hide the step, let the source withdraw, and restore the step."""
    (proposal,) = (
        entry
        for entry in scene.desk.entries_of(scene.keys, EntryClass.WORDS, 1)
        if entry.envelope.entry_id.hex() == scene.proposal
    )
    step = scene.desk.pass_on(scene.keys, proposal, StepName.PASSING_ON)
    row = scene.sql("SELECT * FROM entry WHERE digest = ?", step.digest)[0]
    scene.sql("DELETE FROM entry WHERE digest = ?", step.digest)
    take_back(scene)
    scene.sql(f"INSERT INTO entry VALUES ({', '.join('?' * len(row))})", *row)

    transcript = scene.desk.transcript(scene.keys)
    withdrawal = scene.desk.entries_of(scene.keys, EntryClass.WORDS, 0)[-1]
    assert not transcript.knowledge.all_cover([withdrawal.digest], step.digest)
    assert "not passed on" in scene.browser.get("/en/mailbox").text.lower()


def _edits(scene: EditedMailbox) -> list[Edit]:
    found = []
    for table in _TABLES:
        columns = [name for _, name, *_ in scene.sql(f"PRAGMA table_info({table})")]
        rows = [row for (row,) in scene.sql(f"SELECT id FROM {table}")]
        for row in rows:
            found += [Edit(table, row, str(name)) for name in columns if name not in _UNTOUCHED]
            if table != "mailbox":  # without its row, there is no mailbox and no page of it
                found.append(Edit(table, row, ""))  # type: ignore[arg-type]
    return found


def _play(scene: EditedMailbox, use_case: str, edit: Edit, at: int) -> None:
    known = set(scene.desk.transcript(scene.keys).authentic)
    put_back: list[Callable[[], object]] = []
    scene.moment.at, scene.moment.count = at, 0
    scene.moment.operator = lambda: put_back.append(_apply(scene, edit))
    acknowledged = USE_CASES[use_case](scene)
    scene.moment.count = -1
    for undo in put_back:
        undo()
    _check(scene, known, acknowledged)


def _apply(scene: EditedMailbox, edit: Edit) -> Callable[[], object]:
    """Make the operator's change, and return a function that restores the value."""
    if not edit.column:
        found = scene.sql(f"SELECT * FROM {edit.table} WHERE id = ?", edit.row)
        scene.sql("PRAGMA foreign_keys=OFF")
        scene.sql(f"DELETE FROM {edit.table} WHERE id = ?", edit.row)
        marks = ", ".join("?" * len(found[0]))
        return lambda: scene.sql(f"INSERT OR IGNORE INTO {edit.table} VALUES ({marks})", *found[0])
    where = f"{edit.table} SET {edit.column} = ? WHERE id = ?"
    ((value,),) = scene.sql(f"SELECT {edit.column} FROM {edit.table} WHERE id = ?", edit.row)
    other = _other(value)
    scene.sql(f"UPDATE {where}", other, edit.row)
    return lambda: scene.sql(f"UPDATE {where} AND {edit.column} IS ?", value, edit.row, other)


def _other(value: object) -> object:
    match value:
        case bytes() if value:
            return value[:-1] + bytes([value[-1] ^ 1])
        case int():
            return value + 1
        case str():
            return "2020-02-02"
        case _:
            return 7


def _check(scene: EditedMailbox, known: set[Digest], acknowledged: str) -> None:
    transcript = scene.desk.transcript(scene.keys)
    assert {fault.kind for fault in transcript.faults} <= {FaultKind.SIDE_BY_SIDE}
    assert known <= set(transcript.authentic)
    mailbox = read_mailbox(scene.desk.desk, scene.keys)
    assert not mailbox.left_out
    texts = {content.text for _, content in mailbox.opened if content is not None}
    assert ANSWER in texts
    if acknowledged:
        assert acknowledged in texts
    _check_heads(scene, known)


def _check_heads(scene: EditedMailbox, known: set[Digest]) -> None:
    """Check that new entries of the source name only entries that exist unchanged."""
    transcript = scene.desk.transcript(scene.keys)
    for digest, entry in transcript.authentic.items():
        if digest not in known:
            assert {head.digest for head in entry.envelope.heads} <= set(transcript.authentic)


def _reset(scene: EditedMailbox, before: bytes) -> None:
    """Bring back the store and the source's session as they were."""
    scene.desk.desk.sessions.put(*scene.session, half_hour_now() + 2)
    scene.desk.store.close()
    for path in scene.desk.store.path.parent.glob(f"{scene.desk.store.path.name}*"):
        path.unlink()
    scene.desk.store.path.write_bytes(before)


def test_the_proof_would_notice_a_source_that_signs_what_it_did_not_verify(
    scene: EditedMailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control: if signatures are not checked, some of the changes make the source sign something false."""
    monkeypatch.setattr("protocol.transcript.check.check_signature", lambda *_, **__: None)
    monkeypatch.setattr("protocol.entry.check_signature", lambda *_, **__: None)
    row = scene.sql("SELECT id FROM entry WHERE author = 0 ORDER BY number DESC")[0][0]
    scene.desk.store.checkpoint()
    before = scene.desk.store.path.read_bytes()
    edit = Edit("entry", row, "signature")  # type: ignore[arg-type]
    with pytest.raises(AssertionError):
        _play_all(scene, edit, before)


def _play_all(scene: EditedMailbox, edit: Edit, before: bytes) -> None:
    for use_case in USE_CASES:
        for at in range(1, 6):
            _play(scene, use_case, edit, at)
            _reset(scene, before)
