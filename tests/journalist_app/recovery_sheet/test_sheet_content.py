"""The recovery sheet: everything on it is right, it says what it opens, and it fits on one page."""

import re
import subprocess
from datetime import date
from pathlib import Path

import pytest
import segno

from crypto.age.recipients import PQIdentity
from crypto.age.recovery_key import read_identity
from crypto.passphrase import LANGUAGES, Language
from journalist_app.recovery_sheet.sheet_content import (
    SheetFacts,
    compose_sheet,
    sheet_html,
    sheet_pdf,
    sheet_text,
)
from report.qr_code import draw_qr_code

_IDENTITY = PQIdentity(bytes(range(32)))
_FACTS = SheetFacts(
    desk_name="Extern steunpunt <integriteit>",
    fingerprint="RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3",
    safe="Kluis 3, Parnassusplein",
    day=date(2026, 11, 30),
    backup="keyring-1f2e3d4c5b6a7988-2.age",
    identity=_IDENTITY,
)


def _said(page: bytes) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page.decode()).split())


@pytest.mark.parametrize("language", LANGUAGES)
def test_words_and_key_on_both_forms_open_the_keyring(language: Language) -> None:
    sheet = compose_sheet(_FACTS, language)
    text = sheet_text(sheet).decode()
    words = " ".join(re.findall(r"(?m)^ ?\d+\. ([a-z]+)$", text))
    listed = " ".join(re.findall(r"<li>([a-z]+)</li>", sheet_html(sheet).decode()))
    key = re.search(r"AGE-SECRET[-A-Z0-9 ]+", text)
    assert key is not None
    read = [read_identity(typed) for typed in (words, listed, key[0], "".join(sheet.key_pieces))]
    assert [_IDENTITY.to_bytes()] * 4 == [each.to_bytes() for each in read if each is not None]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_sheet_says_whose_it_is_what_it_opens_and_where_it_belongs(language: Language) -> None:
    sheet = compose_sheet(_FACTS, language)
    for said in (
        _said(sheet_html(sheet)).replace("&lt;", "<").replace("&gt;", ">"),
        sheet_text(sheet).decode(),
    ):
        for fact in (_FACTS.desk_name, _FACTS.fingerprint, _FACTS.safe, _FACTS.backup, "2026-11-30"):
            assert fact in said
        assert sheet.texts["lead"] in said


def test_the_code_contains_the_key_with_its_checksum() -> None:
    assert draw_qr_code(_IDENTITY.to_text()) == compose_sheet(_FACTS, "nl").code
    assert segno.make_qr(_IDENTITY.to_text(), error="m").mode == "alphanumeric"


def test_no_secret_shows_in_a_repr() -> None:
    sheet = compose_sheet(_FACTS, "nl")
    assert all(piece not in repr(sheet) for piece in (*sheet.key_pieces, repr(sheet.seed_words)[1:-1]))


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_longest_sheet_is_one_page_and_a_reader_finds_every_word(
    tmp_path: Path, language: Language
) -> None:
    longest = SheetFacts(
        "Steunpunt " * 9, _FACTS.fingerprint, "Kluis " * 33, _FACTS.day, _FACTS.backup, _IDENTITY
    )
    (tmp_path / "sheet.pdf").write_bytes(sheet_pdf(compose_sheet(longest, language)))
    pages = subprocess.run(
        ["pdfinfo", tmp_path / "sheet.pdf"], check=True, capture_output=True, text=True
    ).stdout
    assert re.search(r"Pages:\s+1\n", pages)
    said = subprocess.run(
        ["pdftotext", "-layout", tmp_path / "sheet.pdf", "-"], check=True, capture_output=True, text=True
    ).stdout
    assert set(compose_sheet(longest, language).seed_words) <= set(said.split())
