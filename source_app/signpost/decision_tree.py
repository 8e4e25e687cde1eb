"""Questions, outcomes and routes, read from one TOML file per language and checked before anybody sees them.

A signpost is a tree: every page but the first is reached by exactly one answer, so that a page can lead back
without knowing who came which way. Pages are known by numbers of two digits, drawn by hand and in no order,
so that an address in a browser's history tells no answer to whoever has not walked the tree.
"""

import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from source_app.signpost.errors import SignpostError

PACKAGED = Path(__file__).parent  # where our own data files lie
LANGUAGES = ("nl", "en")
QUESTIONS_MAX = 6  # on any way to an outcome: who is frightened must not be made to fill in a form
PAGE_TEXT_BYTES = 8 * 1024  # of one page, as HTML; the frame around it must fit in the rest of 16 KiB
_NUMBERS = range(10, 100)  # two digits: a request for one page is as long as for any other
_ANSWERS = range(2, 7)
_EXAMPLES = 4  # what the ministry itself names as reasons to complain
_MARKUP = re.compile(r"[<>`]|&#?\w+;|\*\*|\]\(|https?://")
_ITEM_BYTES = 80  # the tags around one text, and its link


class Route(StrEnum):
    """The ways there are."""

    TALK = "talk"  # only talk, nothing further
    CONDUCT = "conduct"  # a complaint about unwanted conduct
    INTEGRITY = "integrity"  # a report of a possible breach of integrity
    COMPLAINTS = "complaints"  # the general complaints procedure
    SG = "sg"  # the desk brings it to the attention of the Secretary-General


class _Read(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all structures here share: an unknown key is a typing error, and refused."""


class SignpostAnswer(_Read, frozen=True):
    """One thing a visitor may say, and the number of the page it leads to."""

    text: str
    to: int


class Question(_Read, frozen=True):
    """One page that asks."""

    number: int
    text: str
    hint: str
    answers: tuple[SignpostAnswer, ...]


class Outcome(_Read, frozen=True):
    """One page that shows the routes that may fit, the likeliest first."""

    number: int
    text: str
    hint: str
    routes: Annotated[tuple[Route, ...], Meta(min_length=1, max_length=2)]


class RouteText(_Read, frozen=True):
    """What a visitor wants to know of a route; `elsewhere` tells where it is done outside this desk."""

    name: str
    what: str
    happens: str
    who_sees: str
    can: str
    cannot: str
    anonymous: str
    elsewhere: str
    examples: tuple[str, ...] = ()


class Signpost(_Read, frozen=True, dict=True):
    """All of one language. `first` is the number of the question to begin with."""

    first: int
    question: tuple[Question, ...]
    outcome: tuple[Outcome, ...]
    route: dict[Route, RouteText]

    def page(self, number: int) -> Question | Outcome | None:
        """Return the page with this number, or None: there is none."""
        return self._pages.get(number)

    def before(self, number: int) -> int | None:
        """Return the number of the question that leads to a page, or None: it is the first one."""
        return self._before.get(number)

    @cached_property
    def _pages(self) -> Mapping[int, Question | Outcome]:
        questions: dict[int, Question | Outcome] = {page.number: page for page in self.question}
        return questions | {page.number: page for page in self.outcome}

    @cached_property
    def _before(self) -> Mapping[int, int]:
        return {answer.to: question.number for question in self.question for answer in question.answers}


Signposts = Mapping[str, Signpost]


def load(folder: Path) -> Signposts:
    """Read and check the signpost in every language: `nl.toml` and `en.toml` in a folder.

    Raises:
        SignpostError: a file is missing or has a fault, or the languages differ; one sentence.
    """
    documents = {}
    for language in LANGUAGES:
        name = f"{language}.toml"
        try:
            documents[name] = tomllib.loads((folder / name).read_text("utf-8"))
        except OSError as why:
            raise SignpostError(f"The signpost's {name} cannot be read ({type(why).__name__}).") from why
        except tomllib.TOMLDecodeError as why:
            raise SignpostError(f"The signpost's {name} is not TOML: {why}.") from why
        except UnicodeDecodeError as why:
            raise SignpostError(f"The signpost's {name} is not UTF-8: byte {why.start}.") from why
    read = {name: check_signpost(name, document) for name, document in documents.items()}
    _require_alike(read)
    return {language: read[f"{language}.toml"] for language in LANGUAGES}


def check_signpost(name: str, document: Mapping[str, object]) -> Signpost:
    """Return the signpost of one file, once everything about it is found right. `name` is for the message.

    Raises:
        SignpostError: it has a fault; one sentence.
    """
    try:
        signpost = msgspec.convert(document, Signpost)
    except msgspec.ValidationError as why:
        raise SignpostError(f"The signpost's {name} has a fault: {why}.") from why
    fault = next(_faults(signpost), None)
    if fault is not None:
        raise SignpostError(f"The signpost's {name} has a fault: {fault}.")
    return signpost


# ---- what can be wrong in one file -----------------------------------------------------------------


def _faults(signpost: Signpost) -> Iterator[str]:
    """Yield what is wrong. Only the first counts: the later checks rely on the earlier ones."""
    yield from _faults_of_numbers(signpost)
    yield from _faults_of_ways(signpost)
    yield from _faults_of_routes(signpost)
    for place, text in _texts(signpost):
        if fault := _fault_of_text(text):
            yield f"{place} {fault}"
    yield from _faults_of_size(signpost)


def _faults_of_numbers(signpost: Signpost) -> Iterator[str]:
    numbers = [question.number for question in signpost.question]
    numbers += [outcome.number for outcome in signpost.outcome]
    for number in numbers:
        if number not in _NUMBERS:
            yield f"the number {number} does not have two digits"
        if numbers.count(number) > 1:
            yield f"the number {number} is used twice"
    if signpost.first not in {question.number for question in signpost.question}:
        yield f"'first' names {signpost.first}, which is no question"


def _faults_of_ways(signpost: Signpost) -> Iterator[str]:
    """Walk every way from the first question; a way ends at an outcome, never in a circle."""
    questions = {question.number: question for question in signpost.question}
    outcomes = {outcome.number for outcome in signpost.outcome}
    reached = {signpost.first}
    ways: list[tuple[int, ...]] = [(signpost.first,)]
    while ways:
        way = ways.pop()
        question = questions[way[-1]]
        if len(way) > QUESTIONS_MAX:
            yield f"question {question.number} is number {len(way)} on its way; {QUESTIONS_MAX} is the most"
        if len(question.answers) not in _ANSWERS:
            yield (
                f"question {question.number} has {len(question.answers)} answers; "
                f"from {_ANSWERS.start} to {_ANSWERS.stop - 1} are allowed"
            )
        for place, answer in enumerate(question.answers, 1):
            step = f"answer {place} of question {question.number} leads to {answer.to}"
            if answer.to in way:
                yield f"{step}, which is a circle"
            elif answer.to not in questions.keys() | outcomes:
                yield f"{step}, which is no page"
            elif answer.to in reached:
                yield f"{step}, and so does another answer"
            else:
                reached.add(answer.to)
                if answer.to in questions:
                    ways.append((*way, answer.to))
    for number in sorted((questions.keys() | outcomes) - reached):
        yield f"no way leads to page {number}"


def _faults_of_routes(signpost: Signpost) -> Iterator[str]:
    shown = {route for outcome in signpost.outcome for route in outcome.routes}
    for outcome in signpost.outcome:
        if len(set(outcome.routes)) < len(outcome.routes):
            yield f"outcome {outcome.number} names a route twice"
    for route in Route:
        if route not in signpost.route:
            yield f"the route '{route}' is not explained"
        if route not in shown:
            yield f"no outcome leads to the route '{route}'"
    for route, text in signpost.route.items():
        wanted = _EXAMPLES if route == Route.COMPLAINTS else 0
        if len(text.examples) != wanted:
            yield f"the route '{route}' has {len(text.examples)} examples and must have {wanted}"


def _texts(signpost: Signpost) -> Iterator[tuple[str, str]]:
    for question in signpost.question:
        yield f"the text of question {question.number}", question.text
        yield f"the hint of question {question.number}", question.hint
        for place, answer in enumerate(question.answers, 1):
            yield f"answer {place} of question {question.number}", answer.text
    for outcome in signpost.outcome:
        yield f"the text of outcome {outcome.number}", outcome.text
        yield f"the hint of outcome {outcome.number}", outcome.hint
    for route, text in signpost.route.items():
        for field, each in _fields_of(text):
            yield f"'{field}' of the route '{route}'", each


def _fields_of(text: RouteText) -> Iterator[tuple[str, str]]:
    for field in text.__struct_fields__:
        if field != "examples":
            yield field, getattr(text, field)
    for example in text.examples:
        yield "examples", example


def _fault_of_text(text: str) -> str:
    """Say what is wrong with a text, or nothing. Links are no texts: they are settings of the desk."""
    if not text.strip():
        return "is empty"
    if _MARKUP.search(text):
        return "holds markup or a link"
    if text != " ".join(text.split()) or any(unicodedata.category(char)[0] == "C" for char in text):
        return "holds a line break, a control character, or spaces too many"
    return ""


def _faults_of_size(signpost: Signpost) -> Iterator[str]:
    """Every page goes out at one size: what does not fit would stand out, or be cut off."""
    weight = {
        route: sum(_weight(each) for _, each in _fields_of(text)) for route, text in signpost.route.items()
    }
    for question in signpost.question:
        texts = [question.text, question.hint, *(answer.text for answer in question.answers)]
        yield from _too_long(question.number, sum(map(_weight, texts)))
    for outcome in signpost.outcome:
        own = _weight(outcome.text) + _weight(outcome.hint)
        yield from _too_long(outcome.number, own + sum(weight[route] for route in outcome.routes))


def _weight(text: str) -> int:
    return len(escape(text).encode()) + _ITEM_BYTES


def _too_long(number: int, size: int) -> Iterator[str]:
    if size > PAGE_TEXT_BYTES:
        yield f"page {number} takes {size} bytes, and {PAGE_TEXT_BYTES} is the most"


# ---- what can be wrong between two -----------------------------------------------------------------


def _require_alike(read: Mapping[str, Signpost]) -> None:
    """Refuse languages of another build: a link from one to the other must keep the place.

    Raises:
        SignpostError: they differ; the message names where.
    """
    (one_name, one), *others = read.items()
    ways = _skeleton(one)
    for other_name, other in others:
        theirs = _skeleton(other)
        if one.first != other.first:
            raise SignpostError(f"The signpost's {other_name} begins with another question than {one_name}.")
        for number in sorted(ways.keys() | theirs.keys()):
            if ways.get(number) != theirs.get(number):
                raise SignpostError(
                    f"The signpost's {other_name} differs from {one_name} in where page {number} leads."
                )


def _skeleton(signpost: Signpost) -> Mapping[int, tuple[object, ...]]:
    ways: dict[int, tuple[object, ...]] = {
        question.number: tuple(answer.to for answer in question.answers) for question in signpost.question
    }
    return ways | {outcome.number: outcome.routes for outcome in signpost.outcome}
