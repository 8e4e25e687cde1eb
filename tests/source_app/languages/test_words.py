"""Translation catalogues of the source's site: they have every sentence of the pages, and no other one."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir, extract_from_file
from babel.messages.pofile import read_po

from tests import source_labels
from web.languages import FOLDER, read_words

_APP = Path(__file__).parents[3] / "source_app"
_POT = FOLDER / "messages.pot"
_LANGUAGES = sorted(path.parents[1].name for path in FOLDER.glob("*/LC_MESSAGES/messages.po"))
_PLACEHOLDER = re.compile(r"%\((\w+)\)[sd]")
_TAG = re.compile(r"<\s*/?\s*[a-z]", re.IGNORECASE)
_LAZY = {"lazy_gettext": None, "lazy_ngettext": (1, 2)}


def _catalogue(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file)


def _messages(catalogue: Catalog) -> dict[str | tuple[str, ...], Message]:
    return {_key(message.id): message for message in catalogue if message.id}


def _key(text: str | list[str] | tuple[str, ...]) -> str | tuple[str, ...]:
    return text if isinstance(text, str) else tuple(text)


def _forms(text: str | list[str] | tuple[str, ...]) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text)


def _extracted() -> set[str | tuple[str, ...]]:
    """Return the sentences of the site, and those about files that the adviser's app writes in a proposal."""
    keywords = DEFAULT_KEYWORDS | _LAZY
    pages = [("templates/**.html", "jinja2"), ("**.py", "python")]
    found = [each[2] for each in extract_from_dir(_APP, pages, keywords=keywords)]
    about_files = _APP.parent / "journalist_app" / "files" / "metadata_sentences.py"
    found += [each[1] for each in extract_from_file("python", str(about_files), keywords=keywords)]
    return {_key(text) for text in found}


def _translated(language: str) -> Catalog:
    return _catalogue(FOLDER / language / "LC_MESSAGES" / "messages.po")


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _strings(each)


def _page_texts(code: str) -> list[str]:
    return [form for message in _messages(_translated(code)).values() for form in _forms(message.string)]


def _texts_in(code: str, settings: object) -> Iterator[str]:
    """Yield each text of a language in the settings, such as `name.fr`."""
    if isinstance(settings, dict):
        for key, value in settings.items():
            yield from _strings(value) if key == code else _texts_in(code, value)


def _dutch_texts() -> list[str]:
    """Return every Dutch text for sources: of the pages, the signpost and the poster."""
    texts = _page_texts("nl")
    for path in (FOLDER / "nl" / "signpost.toml", FOLDER / "nl" / "poster.toml"):
        texts += _strings(tomllib.loads(path.read_text("utf-8")))
    return texts


def test_extraction_leaves_the_template_catalogue_as_it_is() -> None:
    extracted = _extracted()

    assert extracted
    assert extracted == set(_messages(_catalogue(_POT)))


@pytest.mark.parametrize("language", _LANGUAGES)
def test_every_sentence_is_translated_and_no_other(language: str) -> None:
    wanted = _messages(_catalogue(_POT))
    translated = _messages(_translated(language))

    assert set(wanted) == set(translated)
    assert [
        key for key, message in translated.items() if message.fuzzy or not all(_forms(message.string))
    ] == []


@pytest.mark.parametrize("language", _LANGUAGES)
def test_placeholders_survive_translation(language: str) -> None:
    for message in _messages(_translated(language)).values():
        wanted = {name for form in _forms(message.id) for name in _PLACEHOLDER.findall(form)}
        for form in _forms(message.string):
            assert wanted == set(_PLACEHOLDER.findall(form)), form


@pytest.mark.parametrize("language", _LANGUAGES)
def test_no_sentence_carries_markup(language: str) -> None:
    for message in _messages(_translated(language)).values():
        for form in (*_forms(message.id), *_forms(message.string)):
            assert not _TAG.search(form), form


@pytest.mark.parametrize("language", _LANGUAGES)
@pytest.mark.parametrize("kind", ["language", "poster", "report"])
def test_a_file_of_a_language_has_the_texts_of_the_english_file_and_no_other(
    language: str, kind: str
) -> None:
    """Fault: no program reads a text with a misspelled name, and no message says so."""
    english, other = (
        {name: type(text) for name, text in read_words(code, kind).items()} for code in ("en", language)
    )

    assert english == other


def test_every_label_that_tests_use_is_in_the_catalogue() -> None:
    used = {name: words for name, words in vars(source_labels).items() if name.isupper()}
    known = _messages(_catalogue(_POT))

    assert len(used) > 30
    assert [name for name, words in used.items() if words not in known] == []


def test_the_example_desk_writes_apostrophes_as_the_pages_of_its_languages_do() -> None:
    straight = re.compile(r"\w'\w")
    example = tomllib.loads((FOLDER.parent / "config.example.toml").read_text("utf-8"))
    curly = [code for code in _LANGUAGES if any("\u2019" in text for text in _page_texts(code))]

    assert "fr" in curly
    for code in curly:
        texts = [*_page_texts(code), *_texts_in(code, example)]
        assert [text for text in texts if straight.search(text)] == []


def test_dutch_speaks_to_one_person_and_plainly() -> None:
    """The source is 'je', never 'u'. Formal words such as 'echter' and 'middels' do not occur."""
    stiff = re.compile(r"\b(u|uw|middels|echter|derhalve|teneinde|dient te|conform|inzake|betreffende)\b")

    for text in _dutch_texts():
        assert not stiff.search(text.lower()), text


def test_one_thing_has_one_word_in_translated() -> None:
    """The Dutch words are pagina, verwijderen, versleuteld, gesloten, overhandigd, akkoord,
    klachtenprocedure.
    """
    other = re.compile(
        r"\b(bladzijden?|wis|wissen|wist|wiste|gewist|haar|vergrendel\w*|verzegel\w*|op slot|afgesloten"
        r"|afsluiten|afgegeven|instemming|klachtenregeling|gesynchroniseerd)\b"
    )

    for text in _dutch_texts():
        assert not other.search(text.lower()), text


def test_long_sentences_are_rare_in_translated() -> None:
    """Level B1 allows at most twenty-five words in a sentence. The statement of law is an exception."""
    of_law = re.compile(r"artikel|artikelen|autoriteit", re.IGNORECASE)
    sentences = [
        sentence
        for message in _messages(_translated("nl")).values()
        for form in _forms(message.string)
        for sentence in re.split(r"(?<=[.?!:]) ", form)
        if not of_law.search(form)
    ]

    assert [sentence for sentence in sentences if len(sentence.split()) > 25] == []


@pytest.mark.parametrize("language", ["en", *_LANGUAGES])
def test_the_poster_and_the_start_page_make_the_same_promise_about_grants(language: str) -> None:
    (start,) = re.findall(
        r'"no_consequences">{{ gettext\("(.*)"\) }}', (_APP / "templates/start.html").read_text("utf-8")
    )
    promise = start if language == "en" else str(_messages(_translated(language))[start].string)

    promises = tomllib.loads((FOLDER / language / "poster.toml").read_text("utf-8"))["promises"]

    assert [each for each in promises if promise.startswith(each.rstrip("."))] != []
