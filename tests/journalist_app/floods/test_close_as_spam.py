"""Many mailboxes are closed as spam in one step: only what the adviser was shown, and as it was shown."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Any

import pytest

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.desk.spam_choice import SpamChoice
from journalist_app.services.closing import close_spam
from journalist_app.services.closing.close_spam import (
    SpamRow,
    close_chosen,
    confirm_choice,
    digest_of_choice,
    submit_page,
)
from journalist_app.services.records import casefiles
from journalist_app.services.whole_desk import background_check, unlocking
from protocol.identifiers import Address
from protocol.ledger import open_tally
from protocol.transcript.closing import closed_until
from store import mailbox_tallies
from tests.flushes import note_flushes
from tests.journalist_app import desk_readers
from tests.journalist_app.desk_factories import PASSPHRASE, TODAY, ASource, World, a_source
from tests.journalist_app.opening import opens
from tests.store_work import work_of

_JUNK = "Koop vandaag de beste horloges ter wereld in onze winkel en vertel het aan al uw vrienden, nummer"
_QUESTION = "Mijn leidinggevende verandert de cijfers van het project en ik weet niet of ik dat moet melden"


@dataclass(slots=True)
class Flooded:
    """A desk with ten mailboxes of a flood, and with the mailbox of a real source."""

    desk: OpenDesk
    junk: list[ASource]
    real: ASource

    def chooses(self, **wanted: Any) -> SpamChoice:  # noqa: ANN401  # of three types
        close_spam.choose_mailboxes(self.desk, **wanted)
        return self.desk.spam_choice

    def looks(self, choice: SpamChoice, *spared: ASource) -> tuple[str, list[SpamRow]]:
        """Look at the first page, and submit the page with some mailboxes ticked."""
        name, _, rows = close_spam.read_page(self.desk, choice, 0)
        assert submit_page(choice, name, {each.keys.address for each in spared})
        return name, rows

    def closes(self, choice: SpamChoice) -> None:
        assert confirm_choice(choice, digest_of_choice(choice))
        close_chosen(self.desk, choice, TODAY)


@pytest.fixture
def flooded(world: World) -> Flooded:
    junk = [a_source(world) for _ in range(10)]
    for number, each in enumerate(junk):
        each.writes(f"{_JUNK} {number}")
    real = a_source(world)
    real.writes(_QUESTION)
    desk = unlocking.unlock_desk(world.config, world.store, PASSPHRASE)
    background_check.check_store(desk, TODAY)
    reads_all(desk)
    return Flooded(desk, junk, real)


def reads_all(desk: OpenDesk) -> None:
    desk_readers.begin(desk)
    assert desk_readers.wait_until_whole(desk.index).is_whole


def due(source: ASource) -> date | None:
    return closed_until(source.reads().transcript)


def addresses(sources: list[ASource]) -> set[Address]:
    return {each.keys.address for each in sources}


# ---- choosing


def test_a_group_has_the_mailboxes_with_nearly_the_same_text(flooded: Flooded) -> None:
    ((example, count),) = close_spam.list_groups(flooded.desk)
    choice = flooded.chooses(like=bytes.fromhex(example.address))

    assert count == 10
    assert example.first_words.startswith("Koop vandaag de beste")
    assert addresses(flooded.junk) == set(choice.addresses)


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({}, 12),
        ({"days": (date.min, TODAY - timedelta(days=1))}, 1),
        ({"days": (TODAY, date.max)}, 11),
        ({"chars": (len(_JUNK), 1_000)}, 10),
        ({"chars": (0, len(_QUESTION))}, 2),
        ({"like": b"no such mailbox"}, 0),
    ],
)
def test_mailboxes_are_chosen_by_day_and_size(
    world: World, flooded: Flooded, wanted: dict[str, object], count: int
) -> None:
    old = a_source(world)
    old.writes("kort", day=TODAY - timedelta(days=1))
    reads_all(flooded.desk)

    assert len(flooded.chooses(**wanted).addresses) == count


def test_a_mailbox_in_which_the_desk_did_something_cannot_be_chosen(flooded: Flooded) -> None:
    opened, answered, noted, long, ended = flooded.junk[:5]
    opens(flooded.desk, opened.keys.address)
    answered.is_answered("antwoord")
    casefiles.add_casefile_note(flooded.desk, noted.keys.address, "een notitie", TODAY)
    long.writes("x" * 50_000)
    before = flooded.chooses()
    ended.ends()
    _, rows = flooded.looks(before)  # listed by the older summaries, and read again for the page

    assert addresses(flooded.junk[5:]) <= before.chosen.keys()
    assert not before.chosen.keys() & addresses([opened, answered, ended])
    assert before.chosen.keys() == {Address(bytes.fromhex(row.address)) for row in rows}
    reads_all(flooded.desk)
    assert set(flooded.chooses().addresses) == addresses([*flooded.junk[5:], flooded.real])


def test_a_mailbox_that_a_page_cannot_show_whole_cannot_be_chosen(world: World, flooded: Flooded) -> None:
    """Attack: someone who can write to the store hides the words that an adviser would recognise."""
    damaged, removed, unreadable = flooded.junk[:3]
    world.execute("UPDATE entry SET signature = zeroblob(64) WHERE address = :a", a=damaged.keys.address)
    (entry,) = removed.reads().transcript.entries
    removed.removes(entry)
    world.execute(
        "UPDATE sealed SET header = zeroblob(200) WHERE id = (SELECT id FROM entry WHERE address = :a)",
        a=unreadable.keys.address,
    )
    choice = flooded.chooses()
    flooded.looks(choice)

    assert choice.chosen.keys() == addresses([*flooded.junk[3:], flooded.real])


def test_a_page_shows_every_text_and_every_name_of_a_file(world: World, flooded: Flooded) -> None:
    twins = [a_source(world), a_source(world)]
    for twin in twins:
        twin.writes("precies dezelfde tekst", file=("prijzen.pdf", b"x"))
        twin.writes("en nog een bericht")
    reads_all(flooded.desk)
    _, after, shown = close_spam.read_page(flooded.desk, flooded.chooses(), 0)

    rows = [row for row in shown if row.texts[0].startswith("precies")]
    assert [row.texts for row in rows] == [("precies dezelfde tekst", "en nog een bericht")] * 2
    assert [row.files for row in rows] == [("prijzen.pdf",)] * 2
    assert (after, len(shown)) == (13, 13)


def test_equal_texts_do_not_fill_a_page(
    world: World, flooded: Flooded, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(30):
        a_source(world).writes("altijd dezelfde tekst")
    reads_all(flooded.desk)
    monkeypatch.setattr(close_spam, "_PAGE_CHARS", 2 * len("altijd dezelfde tekst"))
    choice = flooded.chooses(chars=(0, 30))

    assert len(close_spam.read_page(flooded.desk, choice, 0)[2]) == 30


@pytest.mark.parametrize("limit", ["PAGE_ROWS", "_PAGE_CHARS"])
def test_a_long_list_is_shown_in_pages(flooded: Flooded, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setattr(close_spam, limit, 4 if limit == "PAGE_ROWS" else 4 * len(_JUNK))
    choice = flooded.chooses()
    places = [0]
    while places[-1] < len(choice.addresses):
        name, after, _ = close_spam.read_page(flooded.desk, choice, places[-1])
        places.append(after)
        assert submit_page(choice, name, ())

    assert places == [0, 4, 8, 11]
    assert choice.chosen.keys() == set(choice.addresses)


# ---- closing


def test_the_chosen_mailboxes_are_closed_as_spam_and_the_ticked_ones_are_kept(flooded: Flooded) -> None:
    choice = flooded.chooses()
    flooded.looks(choice, flooded.real, flooded.junk[0])
    flooded.closes(choice)

    closed = flooded.junk[1:]
    latest = TODAY + timedelta(days=1 + flooded.desk.config.retention_spread_days)
    assert all(TODAY < (due(each) or TODAY) <= latest for each in closed)
    assert [due(each) for each in (flooded.real, flooded.junk[0])] == [None, None]
    assert (choice.closed, choice.kept, choice.is_busy) == (9, [], False)
    for each in closed:
        casefile = casefiles.read_casefile(flooded.desk, each.keys.address)
        assert (casefile.is_spam, casefile.keep_until) == (True, due(each))


def test_mailboxes_closed_in_one_step_are_counted_as_spam_only(flooded: Flooded) -> None:
    choice = flooded.chooses()
    flooded.looks(choice, flooded.real)
    flooded.closes(choice)

    keys = flooded.desk.keyring.identities, flooded.desk.letterhead.strand_keys
    with flooded.desk.store.reading() as session:
        sealed = mailbox_tallies.find(session, flooded.junk[0].keys.address)
    tallies = [open_tally(each, *keys) for each in sealed]
    assert {(each.dimension.value, each.value) for each in tallies if each.value} == {("mailbox", "spam")}


def test_a_ticked_mailbox_can_be_chosen_again_and_a_chosen_one_ticked(flooded: Flooded) -> None:
    choice = flooded.chooses()
    flooded.looks(choice, flooded.real)
    assert choice.spared == addresses([flooded.real])
    flooded.looks(choice, flooded.junk[0])

    assert choice.chosen.keys() == addresses([*flooded.junk[1:], flooded.real])
    assert choice.spared == addresses(flooded.junk[:1])


def writes_again(source: ASource) -> None:
    source.writes("Toch nog een vraag.")


def removes_all(source: ASource) -> None:
    source.removes(*source.reads().transcript.entries)


def only_looks(source: ASource) -> None:
    source.looks()


def is_read_elsewhere(source: ASource) -> None:
    source.is_looked_at()


def ends(source: ASource) -> None:
    source.ends()


@pytest.mark.parametrize("change", [writes_again, removes_all, only_looks, is_read_elsewhere, ends])
def test_a_mailbox_that_changed_after_the_look_is_kept(
    flooded: Flooded, change: Callable[[ASource], None]
) -> None:
    changed, *others = flooded.junk
    choice = flooded.chooses()
    flooded.looks(choice, flooded.real)
    change(changed)
    records = casefiles.read_casefile(flooded.desk, changed.keys.address)
    flooded.closes(choice)

    assert choice.kept == [changed.keys.address]
    assert choice.closed == len(others)
    if change is not ends:
        assert due(changed) is None
        assert not any(each.envelope.due for each in changed.reads().transcript.entries)
    assert records == casefiles.read_casefile(flooded.desk, changed.keys.address)


def test_a_mailbox_that_the_list_has_and_no_page_showed_is_kept(flooded: Flooded) -> None:
    choice = flooded.chooses()
    assert not confirm_choice(choice, digest_of_choice(choice))
    close_spam.read_page(flooded.desk, choice, 0)  # shown, but not submitted
    assert not confirm_choice(choice, digest_of_choice(choice))
    assert not submit_page(choice, "another page", ())

    assert choice.chosen == {}


def test_the_confirmation_is_for_the_mailboxes_that_its_page_named(flooded: Flooded) -> None:
    """Attack and accident: another window of the same browser changes the choice in between."""
    choice = flooded.chooses()
    flooded.looks(choice)
    asked = digest_of_choice(choice)
    name, _ = flooded.looks(choice, flooded.real)

    assert not confirm_choice(choice, asked)
    assert confirm_choice(choice, digest_of_choice(choice))
    assert not confirm_choice(choice, digest_of_choice(choice))
    assert not submit_page(choice, name, ())
    assert flooded.real.keys.address not in choice.chosen


def test_only_the_newest_pages_can_be_submitted(flooded: Flooded) -> None:
    choice = flooded.chooses()
    names = [close_spam.read_page(flooded.desk, choice, 0)[0] for _ in range(30)]

    assert not submit_page(choice, names[0], ())
    assert submit_page(choice, names[-1], ())
    assert len(choice.pages) == 20


def test_locking_stops_the_closing(flooded: Flooded) -> None:
    choice = flooded.chooses()
    flooded.looks(choice)
    flooded.desk.stop()
    flooded.closes(choice)

    assert (choice.closed, choice.is_busy, flooded.desk.is_busy) == (0, False, False)
    assert [due(each) for each in flooded.junk] == [None] * 10


def test_closing_counts_as_activity(flooded: Flooded) -> None:
    choice = flooded.chooses()
    flooded.looks(choice)
    before = flooded.desk.is_busy
    assert confirm_choice(choice, digest_of_choice(choice))

    assert (before, flooded.desk.is_busy) == (False, True)


def test_the_trusted_state_is_saved_once_for_many_closings(
    flooded: Flooded, monkeypatch: pytest.MonkeyPatch
) -> None:
    choice = flooded.chooses()
    flooded.looks(choice)
    flushed = note_flushes(monkeypatch)
    flooded.closes(choice)

    folder = flooded.desk.config.trusted_state_path.parent
    assert sum(path.parent == folder for path in flushed) == 1
    again = unlocking.unlock_desk(flooded.desk.config, flooded.desk.store, PASSPHRASE)
    background_check.check_store(again, TODAY)
    assert (again.progress.total, again.unsound) == (0, {})


def test_each_mailbox_is_closed_with_the_same_work_however_many_were_closed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = unlocking.unlock_desk(world.config, world.store, PASSPHRASE)
    found = []
    for _ in range(4):
        junk = [a_source(world) for _ in range(15)]
        for number, each in enumerate(junk):
            each.writes(f"{_JUNK} {number}")
        background_check.check_store(desk, TODAY)
        reads_all(desk)
        flooded = Flooded(desk, junk, junk[0])
        choice = flooded.chooses()
        flooded.looks(choice)
        found.append(work_of(world.store, monkeypatch, partial(flooded.closes, choice)))
        assert choice.closed == 15
    assert found[-1].statements == found[0].statements
    assert found[-1].steps < 1.1 * found[0].steps
