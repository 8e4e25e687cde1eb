"""The adviser's page texts have plain words, one word for one thing, and short Dutch sentences."""

import re
from pathlib import Path

import pytest
from babel.messages import Message
from babel.messages.pofile import read_po

_DUTCH = Path(__file__).parents[2] / "journalist_app/translations/nl/LC_MESSAGES/messages.po"
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


def test_sentences_are_short_in_dutch() -> None:
    sentences = [sentence for form in _dutch() for sentence in re.split(r"(?<=[.?!:]) ", form)]

    assert [sentence for sentence in sentences if len(sentence.split()) > _MOST_WORDS] == []


def test_placeholders_survive_translation() -> None:
    for message in _messages():
        wanted = set(_PLACEHOLDER.findall(_forms(message.id)[-1]))
        for form in _forms(message.string):
            assert set(_PLACEHOLDER.findall(form)) | {"num"} == wanted | {"num"}, form
