"""A faulty signpost stops the start with one sentence that names the file and the place of the fault."""

import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_app.errors import SignpostError
from source_app.signpost import decision_tree
from source_app.signpost.decision_tree import Outcome, Question, Route, Signpost, check_signpost
from tests.source_app.signpost.trees import Document, a_question, a_route, a_signpost, an_outcome, signposts
from web import languages
from web.languages import known_languages


def _refusal(document: Document) -> str:
    """Return why a signpost file is refused, after checking that this is one sentence that names the file."""
    with pytest.raises(SignpostError) as refused:
        check_signpost("nl.toml", document)
    sentence = str(refused.value)
    assert sentence.startswith("The signpost's nl.toml has a fault: ")
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


# ---- our own ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=known_languages())
def ours(request: pytest.FixtureRequest) -> Signpost:
    return decision_tree.load([request.param])[request.param]


def _ways(signpost: Signpost, number: int) -> list[list[int]]:
    page = signpost.page(number)
    if isinstance(page, Outcome):
        return [[number]]
    assert page is not None
    return [[number, *way] for answer in page.answers for way in _ways(signpost, answer.to)]


def test_ours_asks_six_questions_or_fewer_on_any_way(ours: Signpost) -> None:
    ways = _ways(ours, ours.first)

    assert len(ours.question) <= 6
    assert max(len(way) - 1 for way in ways) <= 6
    assert {way[-1] for way in ways} == {outcome.number for outcome in ours.outcome}


def test_the_numbers_of_ours_tell_neither_order_nor_kind(ours: Signpost) -> None:
    way = max(_ways(ours, ours.first), key=len)
    walked = [number for way in _ways(ours, ours.first) for number in way]
    questions = [question.number for question in ours.question]
    outcomes = [outcome.number for outcome in ours.outcome]

    assert way != sorted(way)
    assert walked != sorted(walked)
    assert min(questions) < max(outcomes)
    assert min(outcomes) < max(questions)
    for question in ours.question:
        to = [answer.to for answer in question.answers]
        assert to != list(range(to[0], to[0] + len(to)))


def test_every_page_of_ours_leads_back_to_the_question_it_came_from(ours: Signpost) -> None:
    for way in _ways(ours, ours.first):
        assert [None, *way[:-1]] == [ours.before(number) for number in way]


def test_a_number_that_is_no_page_is_none(ours: Signpost) -> None:
    assert ours.page(10) is None
    assert ours.before(10) is None


def test_ours_names_the_four_reasons_for_a_general_complaint_and_every_route(ours: Signpost) -> None:
    assert len(ours.route[Route.COMPLAINTS].examples) == 4
    assert {route for outcome in ours.outcome for route in outcome.routes} == set(Route)


def test_ours_speaks_dutch_to_one_person_in_short_and_everyday_words() -> None:
    stiff = re.compile(r"\b(u|uw|middels|echter|derhalve|teneinde|dient te|conform|inzake|betreffende)\b")
    dutch = decision_tree.load(["nl"])["nl"]

    for _, place, text in decision_tree._texts(dutch):
        assert not stiff.search(text.lower()), place
        for sentence in re.split(r"(?<=[.?!:]) ", text):
            assert len(sentence.split()) <= 20, sentence


# ---- any build -------------------------------------------------------------------------------------


@pytest.mark.slow
@given(signposts())
def test_a_signpost_of_any_build_is_taken_as_it_is(document: Document) -> None:
    signpost = check_signpost("nl.toml", document)

    numbers = [page["number"] for page in document["question"] + document["outcome"]]
    assert all(signpost.page(number) is not None for number in numbers)
    for question in document["question"]:
        assert isinstance(signpost.page(question["number"]), Question)
        assert all(signpost.before(answer["to"]) == question["number"] for answer in question["answers"])
    assert signpost.before(document["first"]) is None


@pytest.mark.slow
@given(signposts(), st.data())
def test_an_answer_that_is_turned_elsewhere_is_found_in_any_build(
    document: Document, data: st.DataObject
) -> None:
    """If an answer leads elsewhere, some page of the tree is cut off or is reached twice."""
    question = data.draw(st.sampled_from(document["question"]))
    answer = data.draw(st.sampled_from(question["answers"]))
    answer["to"] = data.draw(st.integers(-1, 101).filter(lambda number: number != answer["to"]))

    with pytest.raises(SignpostError):
        check_signpost("nl.toml", document)


@pytest.mark.slow
@given(signposts(), st.data())
def test_a_page_that_is_left_out_is_found_in_any_build(document: Document, data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["question", "outcome"]))
    document[kind].remove(data.draw(st.sampled_from(document[kind])))

    with pytest.raises(SignpostError):
        check_signpost("nl.toml", document)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.data())
def test_anything_in_the_place_of_anything_is_taken_or_refused_with_a_sentence(data: st.DataObject) -> None:
    document = a_signpost()
    inside: Document | list[object] = document
    while True:
        key = data.draw(st.sampled_from(sorted(inside) if isinstance(inside, dict) else range(len(inside))))
        child = inside[key]  # type: ignore[index,call-overload]  # a key of its own
        if not isinstance(child, dict | list) or not child or data.draw(st.booleans()):
            break
        inside = child
    inside[key] = data.draw(_JSON)  # type: ignore[index,call-overload]

    with suppress(SignpostError):  # and nothing else
        assert check_signpost("nl.toml", document).page(document["first"]) is not None


# ---- every kind of fault ----------------------------------------------------------------------------

Breakage = Callable[[Document], object]

_BREAKAGES: dict[str, tuple[Breakage, str]] = {
    "an unknown key": (lambda d: d.update(title="x"), "unknown field `title`"),
    "a key that is missing": (lambda d: d["question"][1].pop("hint"), "`hint` - at `$.question[1]`"),
    "a text that is a number": (
        lambda d: d["outcome"][0].update(text=7),
        "Expected `str`, got `int` - at `$.outcome[0].text`",
    ),
    "an unknown route": (lambda d: d["outcome"][2]["routes"].append("court"), "'court'"),
    "an unknown route with an explanation": (lambda d: d["route"].update(court=a_route()), "'court'"),
    "a first question that is an outcome": (lambda d: d.update(first=70), "'first' names 70"),
    "a number of one digit": (lambda d: d["outcome"][0].update(number=7), "the number 7 "),
    "a number of three digits": (lambda d: d["question"][0].update(number=100), "the number 100 "),
    "a number used twice": (lambda d: d["outcome"][1].update(number=20), "the number 20 is used twice"),
    "an answer that leads nowhere": (
        lambda d: d["question"][0]["answers"][1].update(to=71),
        "answer 2 of question 50 leads to 71, which is not a page",
    ),
    "a loop of one question": (
        lambda d: d["question"][1]["answers"][0].update(to=20),
        "answer 1 of question 20 leads to 20, which is a loop",
    ),
    "a loop back to the first question": (
        lambda d: d["question"][1]["answers"][1].update(to=50),
        "answer 2 of question 20 leads to 50, which is a loop",
    ),
    "two answers to one page": (
        lambda d: d["question"][1]["answers"][1].update(to=70),
        "answer 2 of question 20 leads to 70, and so does another answer",
    ),
    "a page that no path leads to": (
        lambda d: d["outcome"].append(an_outcome(33, "talk")),
        "no path leads to page 33",
    ),
    "two questions that only lead to each other": (
        lambda d: d["question"].extend([a_question(31, 32, 33), a_question(32, 31, 34)]),
        "no path leads to page 31",
    ),
    "a dead end": (
        lambda d: d["question"][1].update(answers=[]),
        "question 20 has 0 answers; from 2 to 6 are allowed",
    ),
    "a question that asks nothing": (
        lambda d: d["question"][1]["answers"].pop(),
        "question 20 has 1 answers",
    ),
    "too many answers": (
        lambda d: d["question"][1]["answers"].extend(a_question(20, *range(91, 96))["answers"]),
        "question 20 has 7 answers",
    ),
    "an outcome without a route": (
        lambda d: d["outcome"][0].update(routes=[]),
        "length >= 1 - at `$.outcome[0].routes`",
    ),
    "an outcome of three routes": (
        lambda d: d["outcome"][0]["routes"].append("conduct"),
        "length <= 2 - at `$.outcome[0].routes`",
    ),
    "one route twice": (
        lambda d: d["outcome"][0].update(routes=["talk", "talk"]),
        "outcome 70 names a route twice",
    ),
    "a route that no outcome leads to": (
        lambda d: d["outcome"][0].update(routes=["talk"]),
        "no outcome leads to the route 'sg'",
    ),
    "a route that is not explained": (lambda d: d["route"].pop("sg"), "the route 'sg' is not explained"),
    "three examples": (
        lambda d: d["route"]["complaints"]["examples"].pop(),
        "the route 'complaints' has 3 examples and must have 4",
    ),
    "examples for a route without examples": (
        lambda d: d["route"].update(talk=a_route(1)),
        "the route 'talk' has 1 examples and must have 0",
    ),
    "an empty text": (lambda d: d["question"][0].update(text=" "), "the text of question 50 is empty"),
    "an empty example": (
        lambda d: d["route"]["complaints"]["examples"].__setitem__(3, ""),
        "'examples' of the route 'complaints' is empty",
    ),
    "a text with a tag": (
        lambda d: d["question"][0]["answers"][1].update(text="<b>Yes</b>"),
        "answer 2 of question 50 has markup",
    ),
    "a text with an entity": (
        lambda d: d["outcome"][1].update(hint="Yes &amp; no"),
        "the hint of outcome 40 has markup",
    ),
    "a text with a link": (
        lambda d: d["route"]["sg"].update(elsewhere="See https://example.org/"),
        "'elsewhere' of the route 'sg' has markup or a link",
    ),
    "a text with a line break": (
        lambda d: d["outcome"][1].update(text="One\ntwo"),
        "the text of outcome 40 has a line break",
    ),
    "a text that turns round": (
        lambda d: d["question"][1].update(hint="One \u202etwo"),
        "the hint of question 20 has a line break, a control character",
    ),
    "a page longer than all pages are": (
        lambda d: d["route"]["conduct"].update(what="x" * 9000),
        "page 40 takes",
    ),
    "a question longer than all pages are": (
        lambda d: d["question"][1].update(hint="&" * 2000),
        "page 20 takes",
    ),
}


@pytest.mark.parametrize(("spoil", "says"), _BREAKAGES.values(), ids=_BREAKAGES)
def test_a_broken_signpost_is_refused_with_its_place(spoil: Breakage, says: str) -> None:
    document = a_signpost()
    assert check_signpost("nl.toml", document)
    spoil(document)

    assert says in _refusal(document)


def test_a_french_text_with_a_no_break_space_is_allowed() -> None:
    document = a_signpost()
    document["question"][0].update(text="Est-ce vrai\xa0?")

    assert check_signpost("nl.toml", document)


def test_a_seventh_question_on_a_way_is_refused() -> None:
    document = a_signpost()
    last = document["question"][1]
    for number in range(11, 16):  # 50, 20, and five more
        last["answers"][1]["to"] = number
        last = a_question(number, 60 + number, 40)
        document["question"].append(last)
        document["outcome"].append(an_outcome(60 + number, "talk"))

    assert "question 15 is number 7 on its path; the limit is 6" in _refusal(document)

    document["question"].pop()
    document["outcome"].pop()
    document["question"][-1]["answers"][1]["to"] = 40
    assert check_signpost("nl.toml", document)


# ---- files -----------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for language in ("nl", "en"):
        shutil.copytree(languages.FOLDER / language, tmp_path / language)
    monkeypatch.setattr(languages, "FOLDER", tmp_path)
    return tmp_path


def _change(path: Path, old: str, new: str) -> None:
    before = path.read_text("utf-8")
    assert old in before
    path.write_text(before.replace(old, new, 1), "utf-8")


def _refusal_of() -> str:
    with pytest.raises(SignpostError) as refused:
        decision_tree.load(["nl", "en"])
    return str(refused.value)


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "en/signpost.toml").unlink()

    assert _refusal_of() == "The signpost's en/signpost.toml cannot be read (FileNotFoundError)."


def test_a_file_that_is_no_toml_is_named_with_the_line(folder: Path) -> None:
    _change(folder / "nl/signpost.toml", "first = 47", "first = ")

    assert re.fullmatch(
        r"The signpost's nl/signpost\.toml is not TOML: .*\(at line \d+, column \d+\)\.", _refusal_of()
    )


def test_a_file_that_is_no_utf8_is_named_with_the_byte(folder: Path) -> None:
    (folder / "nl/signpost.toml").write_bytes(b'first = "\xff"')

    assert _refusal_of() == "The signpost's nl/signpost.toml is not UTF-8: byte 9."


def test_a_fault_in_one_language_names_its_file(folder: Path) -> None:
    _change(folder / "en/signpost.toml", "to = 82", "to = 83")

    assert _refusal_of().startswith("The signpost's en/signpost.toml has a fault: ")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("{ to = 82", "{ to = 29", None),  # and the other way round: two answers change places
        ('routes = ["talk", "sg"]', 'routes = ["sg", "talk"]', "page 45"),
        ('routes = ["integrity"]', 'routes = ["talk"]', "page 77"),
    ],
)
def test_languages_that_differ_are_refused_with_the_place(
    folder: Path, old: str, new: str, says: str | None
) -> None:
    _change(folder / "en/signpost.toml", old, new)
    if says is None:
        lines = (folder / "en/signpost.toml").read_text("utf-8")
        swapped = lines.replace('{ to = 29, text = "Something', '{ to = 82, text = "Something')
        (folder / "en/signpost.toml").write_text(swapped, "utf-8")

    place = f"{says or 'page 47'} leads to other pages than in nl/signpost.toml."
    expected = f"In the signpost's en/signpost.toml, {place}"
    assert expected == _refusal_of()


def test_languages_that_begin_elsewhere_are_refused() -> None:
    one = check_signpost("nl.toml", a_signpost())
    document = deepcopy(a_signpost())
    document["first"] = 51
    document["question"][0]["number"] = 51
    other = check_signpost("en.toml", document)

    with pytest.raises(
        SignpostError, match=r"^The signpost's en/signpost\.toml begins with another question"
    ):
        decision_tree._require_same_tree({"nl": one, "en": other})


def test_a_page_that_only_one_language_has_is_refused() -> None:
    one = check_signpost("nl.toml", a_signpost())
    document = a_signpost()
    document["question"][0] = a_question(50, 20, 70, 33)
    document["outcome"].append(an_outcome(33, "talk"))
    other = check_signpost("en.toml", document)

    with pytest.raises(SignpostError, match=r"page 33 leads to other pages than in nl/signpost\.toml"):
        decision_tree._require_same_tree({"nl": one, "en": other})
