"""Attack: the operator hides or damages a file of a proposal. The source agrees only to files that open."""

import pytest

from protocol.entry import SignedEntry
from protocol.mailbox_keys import MailboxKeys
from protocol.transcript.proposal_states import ProposalStatus
from source_app.services import mailbox_files
from tests.damaged_files import CONTENT, DAMAGES, HARMLESS, damage
from tests.pages import hook, hooks
from tests.source_app.answering_proposals import form_of, path_of, say, shown, state
from tests.source_app.desks import ADesk, SourceBrowser, ToGo
from tests.stores import as_operator

NAMES = ["first.bin", "second.bin"]


@pytest.fixture
def made(a_desk: ADesk, keys: MailboxKeys) -> SignedEntry:
    """Return a proposal with two files of three chunks."""
    return a_desk.propose(keys, "to pass on", files=[ToGo(name, CONTENT) for name in NAMES])


def harm(a_desk: ADesk, keys: MailboxKeys, made: SignedEntry, how: str) -> None:
    """Damage the first file of a proposal. `foreign` is a file of another mailbox."""
    stranger = a_desk.browser()
    stranger.start()
    stranger.write("see the file", [("a.bin", bytes(2_400_000))])
    (foreign,) = a_desk.thread_of(stranger).entries[0].files
    first, second = shown(a_desk, keys, made).files
    damage(a_desk.store, how, file=first.id, other=second.id, foreign=foreign.id)


@pytest.mark.parametrize(
    "how", ["file: row gone", "header: gone", "middle chunk: zeros", "last chunk: row gone"]
)
def test_a_source_cannot_agree_to_a_file_that_the_operator_hides_or_damages(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, made: SignedEntry, how: str
) -> None:
    form = form_of(source, made)
    harm(a_desk, keys, made, how)

    page = source.get(path_of(made)).text
    refused = source.post(path_of(made), {**form, "verdict": "agreed", "sure": "y"})

    assert hooks(page, "file") == ["does_not_open"]
    assert page.index(NAMES[0]) < page.index(hook("file", "does_not_open")) < page.index(NAMES[1])
    assert hooks(page, "advice").count("file_does_not_open") == 1
    assert 'value="agreed"' not in page
    assert {'value="changes_asked"', 'value="declined"'} == {
        each for each in ('value="changes_asked"', 'value="declined"') if each in page
    }
    assert refused.status_code == 422
    assert hooks(refused.text, "refusal") == ["file_does_not_open"]
    assert state(a_desk, keys, made) is ProposalStatus.WAITING


def test_a_source_says_no_or_takes_an_agreement_back_although_a_file_does_not_open(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, made: SignedEntry
) -> None:
    say(source, made, "agreed", sure="y")
    harm(a_desk, keys, made, "header: gone")

    assert say(source, made, "taken_back").status_code == 303
    assert say(source, made, "changes_asked", text="send it again").status_code == 303
    assert say(source, made, "declined").status_code == 303
    assert state(a_desk, keys, made) is ProposalStatus.DECLINED


def test_a_source_agrees_after_the_file_is_whole_again(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, made: SignedEntry
) -> None:
    first = shown(a_desk, keys, made).files[0].id
    hide = "UPDATE attachment SET pending_half_hour = ? WHERE attachment_id = ?"
    with as_operator(a_desk.store) as operator:
        operator.execute(hide, (1, bytes.fromhex(first)))
    assert 'value="agreed"' not in source.get(path_of(made)).text
    with as_operator(a_desk.store) as operator:
        operator.execute(hide, (None, bytes.fromhex(first)))

    assert say(source, made, "agreed", sure="y").status_code == 303
    assert state(a_desk, keys, made) is ProposalStatus.AGREED


def test_a_file_too_large_for_the_page_is_read_to_its_end_before_the_agreement(
    a_desk: ADesk,
    source: SourceBrowser,
    keys: MailboxKeys,
    made: SignedEntry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mailbox_files, "VERIFIED_FIRST_BYTES", 1000)
    harm(a_desk, keys, made, "last chunk: row gone")

    refused = say(source, made, "agreed", sure="y")

    assert hooks(refused.text, "refusal") == ["file_does_not_open"]
    assert state(a_desk, keys, made) is ProposalStatus.WAITING


@pytest.mark.slow
@pytest.mark.parametrize("how", DAMAGES | HARMLESS)
def test_every_damage_of_a_file_stops_the_agreement_alone(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, made: SignedEntry, how: str
) -> None:
    harm(a_desk, keys, made, how)

    answer = say(source, made, "agreed", sure="y")

    assert (answer.status_code == 303) == (how in HARMLESS)
