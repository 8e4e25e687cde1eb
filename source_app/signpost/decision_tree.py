"""Decision tree of the signpost: questions, outcomes and routes, read from one TOML file for each language.

A signpost is a tree: exactly one answer leads to each page, and no answer leads to the first page. So a page
can link back to the previous question without knowing the visitor's path. Pages have numbers of two digits,
chosen by hand and in no order. So a page's address in a browser's history does not reveal the visitor's
answers, unless the reader knows the tree.
"""

import re
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from functools import cached_property
from html import escape
from typing import Annotated

import msgspec
from msgspec import Meta

from source_app.errors import SignpostError
from web.languages import read_words

QUESTIONS_MAX = 6  # limit on any path to an outcome: a frightened visitor should not have to fill in a form
PAGE_TEXT_BYTES = 8 * 1024  # limit on a page's texts as HTML: with the frame, a page must fit in 16 KiB
_NUMBERS = range(10, 100)  # two digits: the requests for all pages have the same length
_ANSWERS = range(2, 7)
_EXAMPLES = 4  # the reasons to complain that the ministry itself names
_MARKUP = re.compile(r"[<>`]|&#?\w+;|\*\*|\]\(|https?://")
_ITEM_BYTES = 80  # bytes of the tags and the link around one text


class Route(StrEnum):
    """Route that the signpost's questions can lead to: a procedure, or only a talk with the desk."""

    TALK = "talk"  # only a conversation with the desk, without a procedure
    CONDUCT = "conduct"  # a complaint about unwanted conduct
    INTEGRITY = "integrity"  # a report of a possible breach of integrity
    COMPLAINTS = "complaints"  # the general complaints procedure
    SG = "sg"  # the desk tells the Secretary-General about the problem


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base class of the structs that are parsed from the signpost's TOML file.

    An unknown key in the file is refused, because it is probably a typing error.
    """


class SignpostAnswer(_Part, frozen=True):
    """Answer that a visitor of the signpost can choose, and the number of the page that follows."""

    text: str
    to: int


class Question(_Part, frozen=True):
    """Page of the signpost with one question and the answers to choose from."""

    number: int
    text: str
    hint: str
    answers: tuple[SignpostAnswer, ...]


class Outcome(_Part, frozen=True):
    """Last page of the signpost: the routes (procedures) that can fit the visitor, the most likely first."""

    number: int
    text: str
    hint: str
    routes: Annotated[tuple[Route, ...], Meta(min_length=1, max_length=2)]


class RouteText(_Part, frozen=True):
    """Texts for visitors about one route (procedure).

    `elsewhere` says what the visitor can do without this desk.
    """

    name: str
    what: str
    happens: str
    who_sees: str
    can: str
    cannot: str
    anonymous: str
    elsewhere: str
    examples: tuple[str, ...] = ()


class Signpost(_Part, frozen=True, dict=True):
    """Complete signpost in one language: the tree of questions that leads a visitor to a fitting procedure.

    `first` is the number of the first question.
    """

    first: int
    question: tuple[Question, ...]
    outcome: tuple[Outcome, ...]
    route: dict[Route, RouteText]

    @property
    def pages(self) -> tuple[Question | Outcome, ...]:
        """Return all pages of the signpost: its questions and outcomes."""
        return (*self.question, *self.outcome)

    def page(self, number: int) -> Question | Outcome | None:
        """Return the question or outcome with this page number, or None if there is no such page."""
        return next((page for page in self.pages if page.number == number), None)

    def before(self, number: int) -> int | None:
        """Return the number of the question that leads to this page, or None for the first question."""
        return self._before.get(number)

    @cached_property
    def _before(self) -> Mapping[int, int]:
        return {answer.to: question.number for question in self.question for answer in question.answers}


Signposts = Mapping[str, Signpost]


def load(languages: Iterable[str]) -> Signposts:
    """Read the file `signpost.toml` of each of these languages, and check the signposts.

    Raises:
        SignpostError: a file is missing or has a fault, or the languages differ.
    """
    documents = {}
    for language in languages:
        name = f"{language}/signpost.toml"
        try:
            documents[language] = read_words(language, "signpost")
        except OSError as why:
            raise SignpostError(f"The signpost's {name} cannot be read ({type(why).__name__}).") from why
        except tomllib.TOMLDecodeError as why:
            raise SignpostError(f"The signpost's {name} is not TOML: {why}.") from why
        except UnicodeDecodeError as why:
            raise SignpostError(f"The signpost's {name} is not UTF-8: byte {why.start}.") from why
    read = {
        language: check_signpost(f"{language}/signpost.toml", document)
        for language, document in documents.items()
    }
    _require_same_tree(read)
    return read


def check_signpost(name: str, document: Mapping[str, object]) -> Signpost:
    """Check the content of one signpost file, and return the signpost.

    `name` is the file's name in error messages.

    Raises:
        SignpostError: the file has a fault.
    """
    try:
        signpost = msgspec.convert(document, Signpost)
    except msgspec.ValidationError as why:
        raise SignpostError(f"The signpost's {name} has a fault: {why}.") from why
    fault = next(_faults(signpost), None)
    if fault is not None:
        raise SignpostError(f"The signpost's {name} has a fault: {fault}.")
    return signpost


# ---- faults of one file ----------------------------------------------------------------------------


def _faults(signpost: Signpost) -> Iterator[str]:
    """Yield the faults of a signpost file as texts.

    Only the first fault is reliable, because each later check assumes that the earlier checks found no fault.
    """
    yield from _faults_of_numbers(signpost)
    yield from _faults_of_paths(signpost)
    yield from _faults_of_routes(signpost)
    for _, place, text in _texts(signpost):
        if fault := _fault_of_text(text):
            yield f"{place} {fault}"
    yield from _faults_of_size(signpost)


def _faults_of_numbers(signpost: Signpost) -> Iterator[str]:
    numbers = [page.number for page in signpost.pages]
    for number in numbers:
        if number not in _NUMBERS:
            yield f"the number {number} does not have two digits"
        if numbers.count(number) > 1:
            yield f"the number {number} is used twice"
    if signpost.first not in {question.number for question in signpost.question}:
        yield f"'first' names {signpost.first}, which is not a question"


def _faults_of_paths(signpost: Signpost) -> Iterator[str]:
    """Yield the faults of the paths through the signpost.

    Each path must end at an outcome, without a loop.
    """
    questions = {question.number: question for question in signpost.question}
    outcomes = {outcome.number for outcome in signpost.outcome}
    reached = {signpost.first}
    paths: list[tuple[int, ...]] = [(signpost.first,)]
    while paths:
        path = paths.pop()
        question = questions[path[-1]]
        if len(path) > QUESTIONS_MAX:
            yield f"question {path[-1]} is number {len(path)} on its path; the limit is {QUESTIONS_MAX}"
        if len(question.answers) not in _ANSWERS:
            yield (
                f"question {question.number} has {len(question.answers)} answers; "
                f"from {_ANSWERS.start} to {_ANSWERS.stop - 1} are allowed"
            )
        for place, answer in enumerate(question.answers, 1):
            step = f"answer {place} of question {question.number} leads to {answer.to}"
            if answer.to in path:
                yield f"{step}, which is a loop"
            elif answer.to not in questions.keys() | outcomes:
                yield f"{step}, which is not a page"
            elif answer.to in reached:
                yield f"{step}, and so does another answer"
            else:
                reached.add(answer.to)
                if answer.to in questions:
                    paths.append((*path, answer.to))
    for number in sorted((questions.keys() | outcomes) - reached):
        yield f"no path leads to page {number}"


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


def _texts(signpost: Signpost) -> Iterator[tuple[int | Route, str, str]]:
    """Yield a tuple for each text of the signpost.

    The tuple has the page number or the route, the name of the text in error messages, and the text.
    """
    for page in signpost.pages:
        kind = type(page).__name__.lower()
        yield page.number, f"the text of {kind} {page.number}", page.text
        yield page.number, f"the hint of {kind} {page.number}", page.hint
    for question in signpost.question:
        for place, answer in enumerate(question.answers, 1):
            yield question.number, f"answer {place} of question {question.number}", answer.text
    for route, text in signpost.route.items():
        for field, each in _fields_of(text):
            yield route, f"'{field}' of the route '{route}'", each


def _fields_of(text: RouteText) -> Iterator[tuple[str, str]]:
    for field in text.__struct_fields__:
        if field != "examples":
            yield field, getattr(text, field)
    for example in text.examples:
        yield "examples", example


def _fault_of_text(text: str) -> str:
    """Return the fault of one text of the signpost, or an empty string if the text has no fault.

    A text with a link is refused, because links belong in the settings. A no-break space is allowed: French
    has one before a question mark.
    """
    if not text.strip():
        return "is empty"
    if _MARKUP.search(text):
        return "has markup or a link"
    if text.replace("\xa0", " ") != " ".join(text.split()) or "C" in "".join(map(unicodedata.category, text)):
        return "has a line break, a control character, or too many spaces"
    return ""


def _faults_of_size(signpost: Signpost) -> Iterator[str]:
    """Yield a fault for each page of the signpost that is too large.

    All pages are padded to one size. An observer of the network could recognise a larger page.
    """
    sizes: Counter[int | Route] = Counter()
    for page_or_route, _, text in _texts(signpost):
        sizes[page_or_route] += _html_bytes(text)
    for outcome in signpost.outcome:
        sizes[outcome.number] += sum(sizes[route] for route in outcome.routes)
    for page in signpost.pages:
        if sizes[page.number] > PAGE_TEXT_BYTES:
            yield f"page {page.number} takes {sizes[page.number]} bytes; the limit is {PAGE_TEXT_BYTES}"


def _html_bytes(text: str) -> int:
    return len(escape(text).encode()) + _ITEM_BYTES


# ---- differences between two files -----------------------------------------------------------------


def _require_same_tree(read: Mapping[str, Signpost]) -> None:
    """Check that the signpost has the same tree of questions in all languages.

    Raises:
        SignpostError: the trees differ. The message names the page.
    """
    # Otherwise a link to a page in another language would not work.
    (first, one), *others = read.items()
    one_name, links = f"{first}/signpost.toml", _links(one)
    for language, other in others:
        other_name = f"{language}/signpost.toml"
        other_links = _links(other)
        if one.first != other.first:
            raise SignpostError(f"The signpost's {other_name} begins with another question than {one_name}.")
        for number in sorted(links.keys() | other_links.keys()):
            if links.get(number) != other_links.get(number):
                raise SignpostError(
                    f"In the signpost's {other_name}, page {number} leads to other pages than in {one_name}."
                )


def _links(signpost: Signpost) -> Mapping[int, tuple[object, ...]]:
    return {
        page.number: page.routes if isinstance(page, Outcome) else tuple(answer.to for answer in page.answers)
        for page in signpost.pages
    }
