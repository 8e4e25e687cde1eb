"""P1 for the desk's records: none can be read in a stolen store, and tampering is detected."""

import secrets
from collections.abc import Callable
from pathlib import Path

import pytest

from crypto.errors import CryptoError
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import RecordUnsoundError
from journalist_app.services.records import casefiles, drafts, reply_templates, unsent_forms
from journalist_app.services.records.reply_templates import ReplyTemplate
from journalist_app.services.whole_desk import unlocking
from protocol.content import StepName, Verdict
from protocol.ledger import open_tally
from store import records
from tests.journalist_app.desk_factories import PASSPHRASE, TODAY, ASource, World, a_source, a_world
from tests.journalist_app.opening import opens
from tests.journalist_app.services.closing.test_closing import answered, close, day_of, purge, tallies_of
from tests.journalist_app.services.passing_on.test_passing_on import answers, begin, make, propose
from tests.journalist_app.views.paper import Paper


@pytest.fixture
def scene(tmp_path: Path) -> tuple[World, OpenDesk, ASource, Path]:
    place = tmp_path / "disk"
    place.mkdir()
    world = a_world(place)
    desk = unlocking.unlock_desk(world.config, world.store, PASSPHRASE)
    paper = tmp_path / "paper"
    paper.mkdir()
    desk.exporter = Paper(paper)
    return world, desk, a_source(world), place


def found_in(folder: Path, secret: str) -> list[str]:
    spelled = [secret.encode(), secret.encode("utf-16-le"), secret.encode().hex().encode()]
    return [
        path.name
        for path in folder.rglob("*")
        if path.is_file() and any(spelling in path.read_bytes() for spelling in spelled)
    ]


def test_nothing_that_the_desk_writes_is_readable_in_a_stolen_store(
    scene: tuple[World, OpenDesk, ASource, Path],
) -> None:
    world, desk, source, place = scene
    secret = {
        what: f"kanarie-{secrets.token_hex(12)}"
        for what in ("note", "draft", "template", "unsent", "proposal", "file", "answer", "said")
    }
    source.writes(secret["said"], file=("bewijs.pdf", secret["file"].encode()))

    casefiles.add_casefile_note(desk, source.keys.address, secret["note"], TODAY)
    drafts.keep_draft(desk, source.keys.address, secret["draft"])
    reply_templates.put_template(desk, 0, None, ReplyTemplate("nl", "naam", secret["template"]))
    unsent_forms.keep_unsent(
        world.store, world.config, f"/mailbox/{source.address}/answer", [("text", secret["unsent"])], TODAY
    )
    proposed = propose(desk, source, secret["proposal"])
    answers(source, Verdict.AGREED, proposed.digest)
    begin(desk, source, proposed)
    make(desk, source, proposed)
    answered(desk, source, secret["answer"])
    close(desk, source)

    assert StepName.PASSED_ON in {
        step.step for step in opens(desk, source.keys.address, today=TODAY).thread_state.steps
    }
    assert {what: found_in(place, each) for what, each in secret.items() if found_in(place, each)} == {}
    purge(world, source, day_of(source))
    assert {what: found_in(place, each) for what, each in secret.items() if found_in(place, each)} == {}


@pytest.mark.parametrize("part", ["first", "middle", "last"])
@pytest.mark.parametrize("what", ["casefile", "draft", "tally"])
def test_a_byte_flipped_in_a_record_of_the_desk_is_detected(
    scene: tuple[World, OpenDesk, ASource, Path], what: str, part: str
) -> None:
    world, desk, source, _ = scene
    source.writes("vraag")
    casefiles.add_casefile_note(desk, source.keys.address, "notitie", TODAY)
    drafts.keep_draft(desk, source.keys.address, "concept")
    close(desk, source)
    flip = _flipped(part)

    if what == "tally":
        with pytest.raises(CryptoError):
            open_tally(
                flip(tallies_of(world, source)[0]), world.keyring.identities, world.letterhead.strand_keys
            )
    else:
        with world.store.reading() as session:
            record = records.find(session, what, source.keys.address)
        assert record is not None
        world.execute(
            "UPDATE sealed SET header = :header WHERE id = (SELECT id FROM record WHERE kind = :kind)",
            header=flip(record.sealed),
            kind=what,
        )
        with pytest.raises(RecordUnsoundError):
            (casefiles.read_casefile if what == "casefile" else drafts.read_draft)(desk, source.keys.address)


def _flipped(part: str) -> Callable[[bytes], bytes]:
    def flip(raw: bytes) -> bytes:
        at = {"first": 0, "middle": len(raw) // 2, "last": len(raw) - 1}[part]
        return raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]

    return flip
