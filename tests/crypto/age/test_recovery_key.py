import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.age.recipients import PQIdentity
from crypto.age.recovery_key import draw_identity, identity_words, read_identity
from crypto.passphrase import LANGUAGES, Language, word_lists

_VECTORS = json.loads((Path(__file__).parents[2] / "vectors/recovery_key_v1.json").read_text("utf-8"))


@pytest.mark.parametrize("vector", _VECTORS["words"], ids=lambda vector: vector["name"])
def test_each_committed_sheet_is_still_read(vector: dict[str, str]) -> None:
    for typed in (vector["key"], vector["nl"], vector["en"]):
        identity = read_identity(typed)
        assert identity is not None
        assert vector["key"] == identity.to_text()
    assert vector["nl"].split() == identity_words(identity, "nl")


@pytest.mark.parametrize("vector", _VECTORS["refused"], ids=lambda vector: vector["name"])
def test_each_committed_text_that_is_no_key_is_refused(vector: dict[str, str]) -> None:
    assert read_identity(vector["typed"]) is None


def test_the_words_of_printed_sheets_keep_their_places_in_the_lists() -> None:
    first = {language: "\n".join(word_lists()[language][:4096]).encode() for language in LANGUAGES}

    assert _VECTORS["lists"] == {name: hashlib.sha256(words).hexdigest() for name, words in first.items()}


@given(st.binary(min_size=32, max_size=32), st.sampled_from(LANGUAGES))
def test_every_key_reads_back_from_its_words_and_its_text(seed: bytes, language: Language) -> None:
    identity = PQIdentity(seed)
    words = identity_words(identity, language)
    for typed in ("\n".join(f"{at}. {word.upper()}" for at, word in enumerate(words, 1)), identity.to_text()):
        read = read_identity(f"  {typed.lower()}\n")
        assert read is not None
        assert seed == read.to_bytes()


@given(st.data())
def test_one_wrong_word_is_refused(data: st.DataObject) -> None:
    words = identity_words(PQIdentity(b"s" * 32), "nl")
    at = data.draw(st.integers(0, 23))
    words[at] = data.draw(st.sampled_from(word_lists()["nl"]).filter(lambda word: word != words[at]))
    assert read_identity(" ".join(words)) is None


@given(st.text(max_size=300))
def test_any_other_text_is_no_key(typed: str) -> None:
    assert read_identity(typed) is None


def test_no_two_drawn_keys_are_the_same() -> None:
    assert draw_identity().to_bytes() != draw_identity().to_bytes()
