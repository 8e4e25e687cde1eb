"""The adviser's page texts have plain words, one word for one thing, and short Dutch sentences."""

import re
from pathlib import Path

import pytest
from babel.messages import Message
from babel.messages.pofile import read_po

from journalist_app.desk.verification import DAMAGED_FILE, name_of_finding
from protocol.transcript.check import FaultKind
from store.sync_findings import FindingKind

_DUTCH = Path(__file__).parents[2] / "journalist_app/translations/nl/LC_MESSAGES/messages.po"
_TEMPLATES = Path(__file__).parents[2] / "journalist_app/templates"
_SENTENCE = re.compile(r'data-fault="(\w+)">{{ gettext\("([^"]+)"\)')
_WHAT_TO_DO = (
    r"\b(call|ask) the operator|\b(bel|vraag) de beheerder|agree with the other advisers|spreek met de andere"
)
# A withdrawal in time, and a text or file that someone copied from another source.
_COPIED_OR_WITHDRAWN = re.compile(
    r'data-(?:destroy="|also-in="{{|named="|news="void)[^>]*>.*?gettext\("([^"]+)"'
)
_PLACEHOLDER = re.compile(r"%\((\w+)\)[sd]")
_MOST_WORDS = 25


def _messages() -> list[Message]:
    with _DUTCH.open("rb") as file:
        return [message for message in read_po(file) if message.id]


def _forms(text: str | list[str] | tuple[str, ...]) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text)


def _english() -> list[str]:
    return [form for message in _messages() for form in _forms(message.id)]


def _dutch() -> list[str]:
    return [form for message in _messages() for form in _forms(message.string)]


@pytest.mark.parametrize(
    ("kept", "others"),
    [
        ("pagina", "bladzijden?"),
        ("verwijderen", "wis|wissen|wiste|gewist"),
        ("die", "haar"),
        ("gesloten", "afgesloten"),
        ("overhandigd", "afgegeven"),
        ("klachtenprocedure", "klachtenregeling"),
        ("synchroniseren", "bijgewerkt|bijwerken"),
        ("versleuteld", "verzegeld|verzegelen|verzegelde"),
        ("vergrendeld", "op slot"),
        ("akkoord", "toestemming"),
        ("inbox", "postvak"),
        ("je", "u|uw"),
        ("agenda", "kalenders?"),
    ],
)
def test_one_thing_has_one_word_in_dutch(kept: str, others: str) -> None:
    other = re.compile(rf"\b({others})\b", re.IGNORECASE)

    assert [form for form in _dutch() if other.search(form)] == [], f"the word is {kept}"


@pytest.mark.parametrize(
    ("kept", "others"),
    [
        ("encrypted", "seal|seals|sealed|sealing"),
        ("save", "half-saved"),
        ("withdraw", "take back|takes back|took back|taken back|took it back|take it back"),
    ],
)
def test_one_thing_has_one_word_in_english(kept: str, others: str) -> None:
    other = re.compile(rf"\b({others})\b", re.IGNORECASE)

    assert [form for form in _english() if other.search(form)] == [], f"the word is {kept}"


def _fault_sentences() -> dict[str, str]:
    pages = "".join(path.read_text("utf-8") for path in _TEMPLATES.rglob("*.html"))
    return dict(_SENTENCE.findall(pages))


def test_every_fault_has_a_sentence_of_its_own() -> None:
    # The page about the sync has a section of its own for entries that crossed a deletion.
    found = {name_of_finding(kind) for kind in FindingKind if kind is not FindingKind.CROSSED}

    assert {*map(str, FaultKind), *found, DAMAGED_FILE} - _fault_sentences().keys() == set()


def test_every_fault_says_what_to_do() -> None:
    dutch = {message.id: message.string for message in _messages()}
    sentences = [form for text in _fault_sentences().values() for form in (text, dutch[text])]

    assert len(sentences) > 60
    assert [form for form in sentences if not re.search(_WHAT_TO_DO, form, re.IGNORECASE)] == []


def test_a_sentence_about_a_copied_text_or_a_withdrawal_says_what_to_do() -> None:
    pages = "".join(path.read_text("utf-8") for path in _TEMPLATES.rglob("*.html"))
    sentences = _COPIED_OR_WITHDRAWN.findall(pages)

    assert len(sentences) == 9
    advice = "Ask the source|Destroy the file|Read the mailbox"
    assert [sentence for sentence in sentences if not re.search(advice, sentence)] == []


@pytest.mark.parametrize(
    "claim",
    [
        "you can (still )?answer",  # another fault of the mailbox may forbid that
        "source (did not|had)",  # someone may have dropped the row that says what the source did
        "fails verification",  # a fault may be at the server alone
        "never arrived",  # an entry may have been here before
    ],
)
def test_no_fault_claims_what_the_app_cannot_know(claim: str) -> None:
    found = _fault_sentences().values()

    assert [text for text in found if re.search(claim, text, re.IGNORECASE)] == []


@pytest.mark.parametrize(
    "claim",
    [
        "mailbox fails verification",  # the fault may be at the server, or the message of a newer version
        "can trust",  # someone may have the key of a workstation
        "does not belong to any",  # the proposal of an answer may be deleted or lost
    ],
)
def test_no_page_claims_what_the_app_cannot_know(claim: str) -> None:
    assert [form for form in _english() if claim in form] == []


def test_sentences_are_short_in_dutch() -> None:
    sentences = [sentence for form in _dutch() for sentence in re.split(r"(?<=[.?!:]) ", form)]

    assert [sentence for sentence in sentences if len(sentence.split()) > _MOST_WORDS] == []


def test_placeholders_survive_translation() -> None:
    for message in _messages():
        wanted = set(_PLACEHOLDER.findall(_forms(message.id)[-1]))
        for form in _forms(message.string):
            assert set(_PLACEHOLDER.findall(form)) | {"num"} == wanted | {"num"}, form
