"""The poster: its facts are right, a telephone and a screen reader can read it, and everything fits."""

import itertools
import re
import subprocess
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
import segno

from deploy.errors import DeployError
from deploy.poster import make_poster
from deploy.poster.poster_content import PosterFacts, compose_poster
from report import pdf
from tests.source_app.desks import make_desk
from web.languages import known_languages, languages_with, read_words

LANGUAGES = languages_with("poster", known_languages())

HOST = "su65btplhtb2mxt4qvcr7ly7a4upguwit4cptdwqldw3ec4iz35fpeqd.onion"
KEY = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"
WHOLE = PosterFacts(
    desk_name="Extern steunpunt integriteit",
    desk_language="nl",
    onion_host=HOST,
    clear_origin="https://steunpunt.example",
    fingerprint=KEY,
    openpgp_fingerprint="0123456789ABCDEF0123456789ABCDEF01234567",
    telephone="+31 70 123 45 67",
    working_days=(3, 0, 1),
)
BARE = replace(WHOLE, clear_origin="", openpgp_fingerprint="", telephone="", working_days=(2,))
LONGEST = replace(
    WHOLE,
    desk_name="External integrity support point for partner organisations",
    clear_origin="https://integrity-support-point.example.org",
    telephone="+31 (0)70 123 45 67, ext. 1234",
    working_days=(0, 1, 2, 3, 4, 5, 6),
)


def _said(page: bytes) -> str:
    return re.sub(r"<[^>]+>", " ", page.decode())


@pytest.mark.parametrize("language", LANGUAGES)
def test_address_and_fingerprints_are_on_the_poster_letter_for_letter(language: str) -> None:
    poster = compose_poster(WHOLE, language)

    said = _said(make_poster.poster_html(poster))
    together = re.sub(r"\s", "", said)
    assert HOST in together
    assert KEY in together
    assert WHOLE.openpgp_fingerprint in together
    assert "https://steunpunt.example" in said
    assert WHOLE.telephone in said


def test_the_telephone_number_and_the_address_run_from_left_to_right() -> None:
    """Fault of the Arabic poster: it said "67 45 123 70 31+", a number that no one can call."""
    page = make_poster.poster_html(compose_poster(WHOLE, "ar")).decode()

    for text in (WHOLE.telephone, WHOLE.clear_origin):
        assert f'<bdi dir="ltr">{text}</bdi>' in page


def test_the_working_days_are_in_the_order_of_the_week() -> None:
    dutch, english = (read_words(each, "poster") for each in ("nl", "en"))

    several = dutch["talk_days"].format(days="maandag, dinsdag en donderdag")
    assert compose_poster(WHOLE, "nl").words["talk_days"] == several
    assert compose_poster(BARE, "en").words["talk_days"] == english["talk_days"].format(days="Wednesday")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_poster_does_not_name_facts_that_the_desk_lacks(language: str) -> None:
    poster = compose_poster(BARE, language)

    said = make_poster.poster_html(poster).decode()
    for word in ("OpenPGP", poster.words["talk_title"], poster.words["clear_title"]):
        assert word not in said


@pytest.mark.parametrize("language", LANGUAGES)
def test_all_languages_say_the_same_things(language: str) -> None:
    dutch, other = compose_poster(WHOLE, "nl").words, compose_poster(WHOLE, language).words

    assert dutch.keys() == other.keys()
    assert [len(each) for each in dutch.values() if isinstance(each, list)] == [
        len(each) for each in other.values() if isinstance(each, list)
    ]


def test_the_dutch_is_plain_and_speaks_to_one_person() -> None:
    words = compose_poster(WHOLE, "nl").words
    said = " ".join(text for each in words.values() for text in ([each] if isinstance(each, str) else each))

    assert re.findall(r"\b(?:u|uw|dient|middels|teneinde)\b", said.lower()) == []
    assert [each for each in re.split(r"(?<=[.?:]) ", said) if len(each.split()) > 25] == []


def test_the_qr_code_has_the_address_module_for_module() -> None:
    """Draw the path as modules again, and compare them with the encoder's modules."""
    code = compose_poster(WHOLE, "nl").code
    drawn = [[0] * code.size for _ in range(code.size)]
    for x, y, width in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\d+z", code.path):
        for module in range(int(x), int(x) + int(width)):
            drawn[int(y)][module] = 1

    assert [list(row) for row in segno.make_qr(f"http://{HOST}", error="m").matrix_iter(border=4)] == drawn


def test_markup_in_a_name_is_printed_as_text() -> None:
    poster = compose_poster(replace(WHOLE, desk_name="<b>A & B</b>"), "en")

    assert b"&lt;b&gt;A &amp; B&lt;/b&gt;" in make_poster.poster_html(poster)


@pytest.mark.slow  # starts poppler
@pytest.mark.parametrize("facts", [WHOLE, BARE, LONGEST], ids=["whole", "bare", "longest"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_pdf_is_one_page_that_can_be_read_out(tmp_path: Path, facts: PosterFacts, language: str) -> None:
    paper = tmp_path / "poster.pdf"
    poster = compose_poster(facts, language)
    paper.write_bytes(pdf.render_pdf(make_poster.poster_html(poster)))

    about = subprocess.run(["pdfinfo", paper], capture_output=True, text=True, check=True).stdout
    text = subprocess.run(
        ["pdftotext", "-layout", paper, "-"], capture_output=True, text=True, check=True
    ).stdout

    assert re.search(r"(?m)^Pages: +1$", about)
    assert re.search(r"(?m)^Tagged: +yes$", about)
    assert re.search(r"(?m)^Page size: .*\(A4\)$", about)
    assert all(line in text for line in poster.address_lines)
    # pdftotext writes Arabic letters in another order.
    promises = poster.words["promises"] if poster.language.direction == "ltr" else []
    assert all(promise in text for promise in promises)
    assert _words_on_top_of_others(paper) == []


def _words_on_top_of_others(paper: Path) -> list[str]:
    """Return the words of a PDF that cover a part of another word. Line boxes may touch by 2 points."""
    boxes = subprocess.run(
        ["pdftotext", "-bbox", paper, "-"], capture_output=True, text=True, check=True
    ).stdout
    words = [
        (*map(float, place), text)
        for *place, text in re.findall(
            r'<word xMin="([\d.]+)" yMin="([\d.]+)" xMax="([\d.]+)" yMax="([\d.]+)">(.*?)</word>', boxes
        )
    ]
    return [
        f"{first[4]} {second[4]}"
        for first, second in itertools.combinations(words, 2)
        if min(first[2], second[2]) - max(first[0], second[0]) > 2
        and min(first[3], second[3]) - max(first[1], second[1]) > 2
    ]


@pytest.mark.slow  # lays out two PDFs
def test_four_files_are_made_from_settings_and_letterhead(tmp_path: Path) -> None:
    (tmp_path / "desk").mkdir()
    desk = make_desk(tmp_path / "desk", onion_host=HOST, fingerprint=KEY)

    made = list(make_poster.make_posters(desk.config, desk.letterhead, tmp_path / "poster", ""))
    desk.store.close()

    assert [path.name for path in made] == [
        "poster-en.pdf",
        "poster-en.svg",
        "poster-nl.pdf",
        "poster-nl.svg",
    ]
    text = subprocess.run(["pdftotext", made[0], "-"], capture_output=True, text=True, check=True).stdout
    assert "http://localhost" not in text  # an address that no one else can use
    drawing = ET.fromstring(made[1].read_bytes())  # noqa: S314  # our own
    assert drawing.tag == "{http://www.w3.org/2000/svg}svg"
    assert drawing.get("viewBox", "").startswith("0 0 595.")  # the width of A4, in points


def test_without_poppler_the_pdf_is_there_and_a_sentence_names_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "desk").mkdir()
    desk = make_desk(tmp_path / "desk", onion_host=HOST, fingerprint=KEY)
    monkeypatch.setattr(make_poster, "_PDFTOCAIRO", "/nowhere/pdftocairo")
    monkeypatch.setattr(pdf, "render_pdf", lambda _: b"%PDF")

    with pytest.raises(DeployError, match="poppler-utils"):
        list(make_poster.make_posters(desk.config, desk.letterhead, tmp_path / "poster", ""))
    desk.store.close()

    assert (tmp_path / "poster" / "poster-en.pdf").read_bytes() == b"%PDF"


@pytest.mark.parametrize(
    ("host", "telephone", "words"),
    [("", "", "onion_host"), (HOST, "1" * 31, "telephone"), (HOST, "1\n2", "telephone")],
)
def test_a_missing_onion_and_a_wrong_telephone_number_are_refused(
    tmp_path: Path, host: str, telephone: str, words: str
) -> None:
    (tmp_path / "desk").mkdir()
    desk = make_desk(tmp_path / "desk", onion_host=host, fingerprint=KEY)

    with pytest.raises(DeployError, match=words):
        list(make_poster.make_posters(desk.config, desk.letterhead, tmp_path / "poster", telephone))
    desk.store.close()

    assert not (tmp_path / "poster").exists()


def test_a_folder_that_cannot_be_written_gets_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "desk").mkdir()
    (tmp_path / "poster").write_text("a file")
    desk = make_desk(tmp_path / "desk", onion_host=HOST, fingerprint=KEY)

    with pytest.raises(DeployError, match="cannot be written"):
        list(make_poster.make_posters(desk.config, desk.letterhead, tmp_path / "poster", ""))
    desk.store.close()
