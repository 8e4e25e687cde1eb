import json
import re
import time
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto import passphrase
from crypto.passphrase import (
    LANGUAGES,
    Argon2Params,
    Language,
    contains_passphrase,
    generate_passphrase,
    normalise_passphrase,
    typed_words,
    word_lists,
)
from protocol import mailbox_keys

VECTORS = json.loads(Path("tests/vectors/passphrase_v1.json").read_text("utf-8"))
CHEAP = Argon2Params(t=1, m_kib=8)


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_a_passphrase_opens_the_mailbox_it_always_opened(vector: dict[str, str]) -> None:
    root = passphrase.derive_root_key(vector["typed"], bytes.fromhex(vector["site_salt_hex"]), Argon2Params())
    assert root.hex() == vector["root_hex"]
    assert mailbox_keys.derive_mailbox_keys(root).address.hex() == vector["address_hex"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_passphrase_is_seven_words_of_its_list(language: Language) -> None:
    drawn = generate_passphrase(language)
    assert len(drawn.split(" ")) == 7
    assert set(drawn.split(" ")) <= set(word_lists()[language])
    assert typed_words(drawn) == drawn.split()
    assert generate_passphrase(language) != drawn


def test_a_short_list_gives_an_eighth_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passphrase, "_FULL_LIST", 7_777)
    assert len(generate_passphrase("nl").split()) == 8


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_drawn_passphrase_is_in_normal_form(language: Language) -> None:
    drawn = generate_passphrase(language)
    assert normalise_passphrase(drawn) == drawn


@pytest.mark.parametrize(
    "pasted",
    [
        "anker-molen-zilver",
        "  Anker\r\nmolen\tZILVER. ",
        "anker\N{NO-BREAK SPACE}molen\N{NARROW NO-BREAK SPACE}zilver",
        "\N{LEFT DOUBLE QUOTATION MARK}anker, molen; zilver\N{RIGHT DOUBLE QUOTATION MARK}",
        "an\N{SOFT HYPHEN}ker mo\N{ZERO WIDTH SPACE}len zil\N{ZERO WIDTH JOINER}ver",
        "\N{ZERO WIDTH NO-BREAK SPACE}anker molen zilver",
        "\N{RIGHT-TO-LEFT MARK}anker molen zilver",
        "\N{FULLWIDTH LATIN SMALL LETTER A}nker m\N{LATIN SMALL LETTER O WITH DIAERESIS}len zilver",
        "anker molen z\N{LATIN SMALL LETTER DOTLESS I}lver",
        "\N{BULLET} anker\n\N{BULLET} molen\n\N{BULLET} zilver",
        "anker m\N{RIGHT SINGLE QUOTATION MARK}olen z\N{ACUTE ACCENT}ilver",
        "ANKER MOLEN Z\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}LVER",
    ],
)
def test_a_printed_or_copied_passphrase_pastes_in_as_it_is(pasted: str) -> None:
    assert normalise_passphrase(pasted) == "anker molen zilver"


@pytest.mark.parametrize(
    "typed", ["1. abacus 2. abdomen", "(1) Abacus\n(2) abdomen", "\u0661 abacus ② abdomen"]
)
def test_the_numbers_of_a_copied_list_are_no_words(typed: str) -> None:
    assert typed_words(typed) == ["abacus", "abdomen"]


def test_a_digit_inside_a_word_stays_so_that_the_word_is_wrong() -> None:
    assert typed_words("abac0s 1abdomen") == ["abac0s", "1abdomen"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_word_of_a_list_is_lost_with_the_numbers(language: Language) -> None:
    listed = word_lists()[language]
    assert [word for text in listed for word in typed_words(text)] == list(listed)


@given(st.text())
def test_the_normal_form_of_a_normal_form_is_itself(typed: str) -> None:
    assert normalise_passphrase(normalise_passphrase(typed)) == normalise_passphrase(typed)


def test_every_character_has_one_normal_form() -> None:
    """No character of Unicode, surrogates included, raises or changes at a second pass."""
    for first in range(0, 0x110000, 0x1000):
        once = normalise_passphrase("".join(map(chr, range(first, first + 0x1000))))
        assert normalise_passphrase(once) == once


@given(st.text(), st.sampled_from(["NFC", "NFD"]))
def test_the_unicode_form_of_a_device_does_not_count(typed: str, form: str) -> None:
    assert normalise_passphrase(unicodedata.normalize(form, typed)) == normalise_passphrase(typed)  # type: ignore[arg-type]


def test_a_word_more_or_another_salt_opens_another_mailbox() -> None:
    roots = {
        passphrase.derive_root_key("anker molen", b"s" * 16, CHEAP),
        passphrase.derive_root_key("anker molen zilver", b"s" * 16, CHEAP),
        passphrase.derive_root_key("anker molen", b"t" * 16, CHEAP),
        passphrase.derive_root_key("", b"s" * 16, CHEAP),
    }
    assert len(roots) == 4
    assert passphrase.derive_root_key(" Anker-Molen", b"s" * 16, CHEAP) in roots


def test_a_flood_of_accents_does_not_hold_the_interpreter() -> None:
    accents = "a" + "\N{COMBINING ACUTE ACCENT}\N{COMBINING GRAVE ACCENT BELOW}" * 1_000_000
    started = time.process_time()

    normalise_passphrase(accents)
    typed_words("\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}" * 1_000_000)

    assert time.process_time() - started < 1  # hours and minutes, if all of it were looked at


def test_a_text_that_grows_while_it_is_normalised_ends_in_normal_form() -> None:
    grown = normalise_passphrase("\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}" * 1_000)

    assert len(grown) <= 1_000
    assert normalise_passphrase(grown) == grown


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_text_with_a_passphrase_is_recognised_however_it_is_written(language: Language) -> None:
    words = generate_passphrase(language).split()

    for written in (
        " ".join(words),
        ", ".join(words).upper(),
        "\n".join(f"{place}. {word}" for place, word in enumerate(words, 1)),
        "\N{COMBINING ACUTE ACCENT} ".join(words),
        "x " * 5_000 + " ".join(words) + ". Thank you",
    ):
        assert contains_passphrase(written)
    assert not contains_passphrase(" and the ".join(words))
    assert not contains_passphrase(" ".join(words[:6]))
    assert not contains_passphrase("")


def test_sentences_of_our_pages_are_no_passphrases() -> None:
    """In ordinary English and Dutch, seven words of the word lists hardly ever follow one another."""
    catalogue = Path("languages/nl/LC_MESSAGES/messages.po").read_text("utf-8")
    sentences = re.findall(r'^msg(?:id|str) "(.+)"$', catalogue, re.MULTILINE)

    assert len(sentences) > 500
    assert [sentence for sentence in sentences if contains_passphrase(sentence)] == []
