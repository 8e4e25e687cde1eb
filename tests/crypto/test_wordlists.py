import hashlib
import io
import re
import runpy
from importlib.resources import files
from pathlib import Path

import pytest

from crypto import passphrase
from crypto.passphrase import LANGUAGES, Language, word_lists
from tests.crypto import choose_dutch_words

# Labels of mailboxes are made of the Dutch words: another list would rename every mailbox.
DIGESTS = {
    "en": "c07884c564176936db53245472f5dc537a8c4eee2e98686115234c6b2b2b25dc",
    "nl": "f4a7df5da4443c655f40d348e08407dc78ba7b03a018e71b82753308fb75b585",
}
DEBIANS = Path("/usr/share/dict/dutch")


def test_a_word_list_is_only_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new language gets passphrases in its own words, and no one changes code."""
    assert word_lists().keys() == DIGESTS.keys()
    (tmp_path / "qq.txt").write_text("qaba\nqeda\nqofa\n", "ascii")
    monkeypatch.setattr(passphrase, "files", lambda _: tmp_path)
    for cached in (passphrase.word_lists, passphrase.all_words):
        monkeypatch.setattr(passphrase, cached.__name__, cached.__wrapped__)

    drawn = passphrase.generate_passphrase("qq")

    assert set(drawn.split()) <= {"qaba", "qeda", "qofa"}
    assert passphrase.contains_passphrase(drawn)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_list_never_changes(language: Language) -> None:
    raw = files("crypto.wordlists").joinpath(f"{language}.txt").read_bytes()
    assert hashlib.sha256(raw).hexdigest() == DIGESTS[language]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_list_is_long_plain_and_without_doubles(language: Language) -> None:
    listed = word_lists()[language]
    assert len(listed) >= 7_700
    assert listed == tuple(sorted(set(listed)))
    assert all(re.fullmatch("[a-z]{3,9}", word) for word in listed)


def test_no_two_dutch_words_differ_in_their_last_letter_alone() -> None:
    beginnings = [word[:-1] for word in word_lists()["nl"]]
    assert len(set(beginnings)) == len(beginnings)
    assert set(beginnings).isdisjoint(word_lists()["nl"])


def test_no_dutch_word_was_refused_by_its_reader() -> None:
    lines = Path(choose_dutch_words.__file__).with_name("refused_words.txt").read_text("ascii").splitlines()
    refused = [word for line in lines if not line.startswith("#") for word in line.split()]
    assert len(refused) > 2_000
    assert len(set(refused)) == len(refused)
    assert set(refused).isdisjoint(word_lists()["nl"])


A_SMALL_LANGUAGE = (
    "boom boomen bomen huis huizen kat katten molen molens Molens tuin deur raam paard bloedtuin "
    "boomhuis boomtuin tuindeur tuinhuis tuinraam huisdeur huiskat molentuin raamdeur "
    "Kat paardtuin lijdtuin leidtuin leid lijd xylo xylotuin alarm alarmtuin alarmhuis"
)


def test_the_script_keeps_stems_and_leaves_out_what_could_be_confused_or_hurt() -> None:
    chosen = choose_dutch_words.choose_words(A_SMALL_LANGUAGE.split(" "))
    assert {"boom", "huis", "tuin", "deur", "raam", "paard", "molen"} <= set(chosen)
    assert {"bomen", "boomen", "huizen", "molens", "kat", "bloedtuin", "xylo", "alarm"}.isdisjoint(chosen)
    assert chosen == sorted(chosen)


def test_the_command_writes_a_word_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(A_SMALL_LANGUAGE))
    runpy.run_path(choose_dutch_words.__file__, run_name="__main__")
    assert capsys.readouterr().out.splitlines() == choose_dutch_words.choose_words(
        A_SMALL_LANGUAGE.split(" ")
    )


@pytest.mark.slow
def test_the_committed_dutch_list_is_what_the_script_chooses() -> None:
    """Needs Debian's package `wdutch`, which `make test` installs."""
    assert tuple(choose_dutch_words.choose_words(DEBIANS.read_text("utf-8").split())) == word_lists()["nl"]
