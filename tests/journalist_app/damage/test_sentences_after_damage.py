"""Damage: no page of the adviser says that the source withdrew if only damage in the store suggests it."""

import re

import pytest

from journalist_app.desk.open_desk import OpenDesk
from protocol.content import Content, Kind, Verdict
from tests.journalist_app.desk_factories import ASource, World
from tests.journalist_app.services.passing_on.test_passing_on import answers, begin, make, propose
from tests.journalist_app.test_hostile_store import make_unreadable
from tests.journalist_app.views.test_views import a_browser, settle
from tests.pages import certain_sentences, hooks

# Words of a sentence that says what the source did, or that the desk did nothing.
_CLAIM = re.compile(
    "source (?:withdrew|stopped|deleted)|nothing was passed on|deleted a message|had not received",
    re.IGNORECASE,
)


@pytest.mark.parametrize("is_missing", [True, False])
@pytest.mark.parametrize("reached", ["agreed", "begun", "made"])
def test_a_damaged_message_makes_no_page_say_that_the_source_withdrew(
    world: World, desk: OpenDesk, source: ASource, reached: str, *, is_missing: bool
) -> None:
    proposed = propose(desk, source)
    answers(source, Verdict.AGREED, proposed.digest)
    before = list(source.reads().transcript.authentic)
    if reached != "agreed":
        begin(desk, source, proposed)
    if reached == "made":
        make(desk, source, proposed)
    crossed = Content(kind=Kind.MESSAGE, text="nog iets")
    message = source.says(crossed, shown=before)
    source.writes("en nog iets")
    if is_missing:
        world.execute("DELETE FROM entry WHERE digest = :digest", digest=message.digest)
    else:
        make_unreadable(world, message)

    browser = a_browser(world)
    browser.unlock()
    settle(browser)
    where = f"/mailbox/{source.address}"
    pages = [browser.get(each).text for each in (where, f"{where}/proposal/{proposed.entry_id.hex()}")]

    assert hooks(pages[0], "fault")
    assert [each for page in pages for each in certain_sentences(page, _CLAIM)] == []
