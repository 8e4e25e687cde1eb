"""The stories of the demo: each invented mailbox ends in the state that its title names."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from deploy.demo.adviser_acts import ADVISER_ACTS, AdvisedMailbox
from deploy.demo.make_demo import FIRST_DAY, play, public_desk
from deploy.demo.source_acts import SOURCE_ACTS, InventedSource
from deploy.demo.stories import Story, load_stories
from deploy.settings.load_settings import load_config
from deploy.settings.settings_text import EXAMPLE
from journalist_app.config import AdviserConfig
from journalist_app.desk.verification import conversation_of
from journalist_app.files.presealed import PieceKind
from journalist_app.inbox.deadlines import DeadlineKind
from journalist_app.services.closing.ended_mailboxes import list_unacknowledged
from journalist_app.services.inbox_rows import InboxRow, inbox_row
from journalist_app.services.mailbox.read_thread import ShownThread
from journalist_app.services.records import casefiles, drafts
from journalist_app.services.whole_desk import unlocking
from protocol.content import StepName
from protocol.transcript.closing import closed_until
from protocol.transcript.proposal_states import ProposalStatus
from source_app.config import SourceConfig
from source_app.services import login
from tests.journalist_app.desk_factories import PASSPHRASE, TODAY, a_world
from tests.journalist_app.views.paper import Paper

STORIES = load_stories()
# Beginnings of the titles of mailboxes in which the desk must do nothing before the source writes again.
NOT_WAITING = (
    "Answered",
    "Passed on",
    "Passing on has begun",
    "Closed:",
    "Closed as",
    "Closed by",
    "Started",
)


@dataclass
class Played:
    """One invented mailbox after its story, as the desk sees it on the day of the demo."""

    story: Story
    source: InventedSource
    row: InboxRow | None  # None if the source ended the mailbox
    shown: ShownThread | None
    draft: str


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Played]]:
    folder = tmp_path_factory.mktemp("demo")
    world = a_world(folder)
    desk = unlocking.unlock_desk(world.config, world.store, PASSPHRASE)
    desk.exporter = Paper(folder)
    public = public_desk(desk, load_config(EXAMPLE, "source", SourceConfig), folder, allow_disk=True)
    made: list[Played] = []
    for story in STORIES:
        for source in play(story, public, desk, TODAY):
            row = shown = None
            if source.address not in {each.address for each in list_unacknowledged(desk, TODAY)}:
                row = inbox_row(desk, conversation_of(desk, source.address), TODAY)
                shown = AdvisedMailbox(desk, source.address).open(TODAY)
            made.append(Played(story, source, row, shown, drafts.read_draft(desk, source.address)))
    yield made
    desk.stop()
    world.store.close()


def _titled(played: list[Played], beginning: str) -> Played:
    (found,) = (each for each in played if each.story.state.startswith(beginning))
    return found


def test_each_mailbox_is_in_the_list_that_its_title_names(played: list[Played]) -> None:
    lists = {each.story.state: each.row.is_waiting for each in played if each.row is not None}
    waiting = {title for title in lists if not title.startswith(NOT_WAITING)}
    waiting -= {"Proposal to pass on: the source has not answered yet"}
    assert waiting == {title for title, is_waiting in lists.items() if is_waiting}
    assert [each.story.state for each in played if each.row is None] == [
        "Ended by the source, after an answer"
    ]


def test_no_invented_mailbox_has_a_fault(played: list[Played]) -> None:
    assert not [each.row.faults for each in played if each.row is not None and each.row.faults]
    assert not [each.shown.faults for each in played if each.shown is not None and each.shown.faults]


def test_the_demo_has_every_state_of_a_proposal_and_every_deadline_and_step(played: list[Played]) -> None:
    shown = [each.shown for each in played if each.shown is not None]
    states = [proposal.state for each in shown for proposal in each.thread_state.proposals]
    assert set(states) == set(ProposalStatus)
    due = [deadline for each in played if each.row is not None for deadline in each.row.due]
    assert {each.kind for each in due} == set(DeadlineKind)
    assert {each.is_late for each in due} == {True, False}
    steps = {step.step for each in shown for step in each.thread_state.steps}
    steps |= {
        StepName(each.row.step) for each in played if each.row is not None and each.row.step in set(StepName)
    }
    assert steps == set(StepName)


def test_closed_mailboxes_are_deleted_soon_or_now(played: list[Played]) -> None:
    def days(beginning: str) -> int:
        shown = _titled(played, beginning).shown
        assert shown is not None
        until = closed_until(shown.conversation.transcript)
        assert until is not None
        return (until - TODAY).days

    assert 0 < days("Closed: the mailbox will be deleted") <= 14
    assert days("Closed: the day of deletion has come") <= 0
    assert 0 < days("Closed as spam") <= 8


def test_the_special_contents_are_there(played: list[Played]) -> None:
    texts = "".join(entry.text for each in played if each.shown for entry in each.shown.entries)
    assert all(letter in texts for letter in "عپ🙏")  # Arabic, Persian, and an emoji
    sealed = _titled(played, "A text that the source encrypted").shown
    assert sealed is not None
    assert [piece.kind for piece, _ in sealed.entries[0].pieces] == [PieceKind.OPENED]
    photograph = _titled(played, "A photograph").shown
    assert photograph is not None
    assert photograph.entries[0].files[0].name.startswith("📷")
    deleted = _titled(played, "The source deleted").shown
    assert deleted is not None
    assert [True, False] == [entry.is_removed for entry in deleted.entries]
    assert _titled(played, "The source replied").draft


def test_each_passphrase_in_the_list_opens_its_mailbox(played: list[Played]) -> None:
    for each in (_titled(played, "New: written today"), _titled(played, "Started")):
        public = each.source.public
        assert login.log_in(public, each.source.passphrase, now=0).keys.address == each.source.address


def test_the_flood_has_equal_texts_and_the_adviser_opened_none(played: list[Played]) -> None:
    flood = [each for each in played if each.story.state.startswith("Flood")]
    assert len(flood) >= 3  # fewer are no group
    assert all(each.row is not None and each.row.is_new for each in flood)


def test_the_stories_are_in_order_and_use_every_act() -> None:
    acts = {event.what for story in STORIES for event in story.events}
    assert acts == SOURCE_ACTS.keys() | ADVISER_ACTS.keys()
    for story in STORIES:
        days = [event.day for event in story.events]
        assert days == sorted(days, reverse=True)
        assert all(0 <= day < FIRST_DAY for day in days)


def test_the_casefiles_use_choices_of_the_settings() -> None:
    config = load_config(EXAMPLE, "adviser", AdviserConfig)
    known = {name: {line.key for line in config.options(f"{name}s")} for name in casefiles.CHOICES}
    chosen = [(name, value) for story in STORIES for name, value in story.casefile.items()]
    assert not [(name, value) for name, value in chosen if value not in known[name]]
