"""Hidden parts of office files: each is listed with its number and names, whatever a hostile file claims."""

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from flask_babel import Babel

import journalist_app
from journalist_app.files import hidden_parts
from journalist_app.files.metadata import FileFindings
from journalist_app.files.metadata_sentences import DETAILS, OFFICE, detail_sentence
from tests.journalist_app.files.file_factories import a_zip, texts_in
from tests.journalist_app.files.office_factories import (
    FIRST_AUTHOR,
    LINK,
    SECOND_AUTHOR,
    a_full_docx,
    a_full_odp,
    a_full_ods,
    a_full_odt,
    a_full_pptx,
    a_full_xlsx,
    an_open_document,
)

TRANSLATIONS = str(Path(journalist_app.__file__).with_name("translations"))
PARTS_OF_MICROSOFT_FILES = {
    "custom": ("1", "customXml/item1.xml"),
    "thumbnail": ("1", "docProps/thumbnail.jpeg"),
    "links": ("1", LINK),
}
PARTS_OF_OPEN_FILES = {
    "thumbnail": ("1", "Thumbnails/thumbnail.png"),
    "embedded": ("1", "Object 1/content.xml"),
    "links": ("1", LINK),
}


def hidden_in(room: Path, content: bytes) -> dict[str, tuple[str, str]]:
    """Return the hidden parts of an office file: for each kind, their number and names."""
    path = room / "file"
    path.write_bytes(content)
    found = hidden_parts.findings(str(path))
    return {kind: (number, names) for kind, number, names in found if kind != "detail"}


EVERYTHING: list[tuple[Callable[[], bytes], dict[str, tuple[str, str]]]] = [
    (
        a_full_docx,
        PARTS_OF_MICROSOFT_FILES
        | {"white": ("3", ""), "hidden": ("2", ""), "rows": ("1", ""), "changes": ("1", SECOND_AUTHOR)}
        | {"comments": ("1", FIRST_AUTHOR), "embedded": ("1", "word/embeddings/lijst.xlsx")},
    ),
    (
        a_full_xlsx,
        PARTS_OF_MICROSOFT_FILES
        | {"sheets": ("1", "Weg"), "deep_sheets": ("1", "Diep"), "rows": ("1", ""), "columns": ("3", "")}
        | {"white": ("2", ""), "hidden": ("1", ""), "changes": ("2", SECOND_AUTHOR)}
        | {"links": ("2", f"Server=intern, {LINK}"), "embedded": ("1", "xl/embeddings/oleObject1.bin")}
        | {"comments": ("3", f"{FIRST_AUTHOR}, {SECOND_AUTHOR}, Cas Bedacht")},
    ),
    (
        a_full_pptx,
        PARTS_OF_MICROSOFT_FILES
        | {"slides": ("1", ""), "hidden": ("1", ""), "white": ("2", ""), "notes": ("1", "")}
        | {"comments": ("3", f"{FIRST_AUTHOR}, {SECOND_AUTHOR}")}
        | {"embedded": ("1", "ppt/embeddings/oleObject1.bin")},
    ),
    (
        a_full_odt,
        PARTS_OF_OPEN_FILES
        | {"white": ("1", ""), "hidden": ("3", ""), "changes": ("1", FIRST_AUTHOR)}
        | {"comments": ("1", SECOND_AUTHOR)},
    ),
    (
        a_full_ods,
        PARTS_OF_OPEN_FILES
        | {"sheets": ("1", "Weg"), "rows": ("2", ""), "columns": ("3", ""), "changes": ("1", FIRST_AUTHOR)}
        | {"white": ("1", ""), "comments": ("1", SECOND_AUTHOR)},
    ),
    (
        a_full_odp,
        PARTS_OF_OPEN_FILES
        | {"slides": ("1", ""), "notes": ("1", ""), "white": ("1", ""), "comments": ("1", SECOND_AUTHOR)},
    ),
]


@pytest.mark.parametrize(("make", "parts"), EVERYTHING, ids=["docx", "xlsx", "pptx", "odt", "ods", "odp"])
def test_every_hidden_part_is_listed_with_its_number_and_names(
    tmp_path: Path, make: Callable[[], bytes], parts: dict[str, tuple[str, str]]
) -> None:
    hidden = hidden_in(tmp_path, make())

    assert parts == hidden
    assert hidden.keys() <= DETAILS.keys()


def test_a_file_of_the_strict_type_hides_no_more_than_another(tmp_path: Path) -> None:
    strict = a_full_docx("http://purl.oclc.org/ooxml/wordprocessingml/main")

    assert hidden_in(tmp_path, a_full_docx()) == hidden_in(tmp_path, strict)


def test_a_text_that_is_white_by_the_style_of_all_texts_is_listed(tmp_path: Path) -> None:
    space = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    normal = (
        '<w:style w:type="paragraph" w:default="1" w:styleId="N"><w:rPr><w:color w:val="FFFFFF"/></w:rPr>'
    )
    black = '<w:pPr><w:pStyle w:val="Zwart"/></w:pPr>'
    text = "<w:r><w:t>geheim</w:t></w:r>"
    content = a_zip(
        {
            "word/styles.xml": f'<w:styles {space}>{normal}</w:style><w:style w:styleId="Zwart"/></w:styles>',
            "word/document.xml": f"<w:d {space}><w:p>{text}</w:p><w:p>{black}{text}</w:p></w:d>",
        }
    )

    assert ("1", "") == hidden_in(tmp_path, content)["white"]


def test_a_property_that_the_writer_named_is_listed_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(a_full_docx())

    assert ("detail", "Dossier", "Zaak 12") in hidden_parts.findings(str(tmp_path / "file"))


def test_a_file_cannot_claim_more_rows_than_a_sheet_has(tmp_path: Path) -> None:
    assert "1048576" == hidden_in(tmp_path, a_full_ods("9" * 4_000))["rows"][0]
    assert "1" == hidden_in(tmp_path, a_full_ods("-5"))["rows"][0]


@pytest.mark.parametrize("number", ["veel", "-5", "1.5", "\u0665", ""])
def test_a_number_that_is_no_number_hides_nothing(tmp_path: Path, number: str) -> None:
    hidden = hidden_in(tmp_path, a_full_ods(number))

    assert {**hidden_in(tmp_path, a_full_ods("1"))} == hidden


def test_a_million_links_with_long_names_make_a_short_list(tmp_path: Path) -> None:
    links = "".join(f'<text:a xlink:href="http://{place}.{"x" * 999}"/>' for place in range(2_000))

    number, names = hidden_in(tmp_path, an_open_document(links))["links"]

    assert "2000" == number
    assert 12 == len(names.split(", "))
    assert len(names) < 12 * 203


def test_very_deep_levels_are_searched(tmp_path: Path) -> None:
    deep = "<text:p>" * 20_000 + '<text:hidden-text text:is-hidden="true"/>' + "</text:p>" * 20_000

    assert ("1", "") == hidden_in(tmp_path, an_open_document(deep))["hidden"]


def test_a_copy_has_no_thumbnail_and_no_link_to_the_thumbnail(tmp_path: Path) -> None:
    path, copy = tmp_path / "file.docx", tmp_path / "copy.docx"
    path.write_bytes(
        a_zip(
            {
                "_rels/.rels": '<Types><Relationship Target="docProps/thumbnail.jpeg"/></Types>',
                "docProps/thumbnail.jpeg": "plaatje",
            }
        )
    )

    assert 0 == hidden_parts.run_hidden_parts("cut", str(path), str(copy))
    assert "thumbnail" not in texts_in(copy.read_bytes())


@pytest.mark.parametrize(
    ("language", "value", "words"),
    [
        ("nl", "2013-12-23T23:15:00Z", "23 december 2013, 23:15 UTC"),
        ("en", "2026:03:02 09:10:11+01:00", "2 March 2026, 09:10 UTC+01:00"),
        ("nl", "2026:03:02 09:10:11", "2 maart 2026, 09:10"),
        ("en", "2026-03-02", "2 March 2026"),
        ("nl", "1767303245", "1 januari 2026, 21:34 UTC"),
        ("nl", "2026:13:02 09:10:11", "2026:13:02 09:10:11"),
        ("nl", "gisteren", "gisteren"),
    ],
)
def test_a_date_and_its_name_are_in_words_in_the_language_of_the_reader(
    language: str, value: str, words: str
) -> None:
    app = Flask(__name__)
    Babel(app, locale_selector=lambda: language, default_translation_directories=TRANSLATIONS)

    with app.test_request_context():
        sentence = str(detail_sentence("time", "created", value))

    assert words in sentence
    assert {"nl": "(gemaakt op)", "en": "(made on)"}[language] in sentence


def test_the_source_reads_findings_in_their_own_language_and_every_line_is_whole() -> None:
    app = Flask(__name__)
    Babel(app, locale_selector=lambda: "en", default_translation_directories=TRANSLATIONS)
    found = [detail_sentence("time", "created", "2026-03-02")] + [
        detail_sentence("sheets", str(number), "Blad") for number in range(3)
    ]
    findings = FileFindings(tuple(found), can_clean=False, remarks=(OFFICE,))

    with app.test_request_context():
        whole, cut = findings.text_in("nl", 1_000), findings.text_in("nl", 180)
        own, none = findings.text_in("", 1_000), findings.text_in("en", 90)

    assert "(gemaakt op): 2 maart 2026\n" in whole
    assert 4 == len(whole.splitlines())
    assert whole.splitlines()[:2] == cut.splitlines()[:2]
    assert "nog 2 verborgen gegevens" in cut.splitlines()[2]
    assert "(made on): 2 March 2026\n" in own
    assert "4 more hidden details" in none
