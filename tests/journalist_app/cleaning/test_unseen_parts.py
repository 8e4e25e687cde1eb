"""Texts and objects that no one sees on slides, and hidden parts of office files from before 2007."""

import json
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from journalist_app.cleaning.unseen_parts import find_unseen_parts
from journalist_app.conversion.converter_run import Converter, memory_file
from journalist_app.conversion.office_documents import office_to
from journalist_app.files.metadata_sentences import detail_sentence
from tests.journalist_app.cleaning.shown_office_files import a_shown_docx, a_talk, with_parts, with_settings
from tests.journalist_app.conversion.files_to_convert import a_converter
from tests.journalist_app.files.file_factories import ADDER, COMMENTER, DELETER, a_docx

WHITE = '<a:solidFill><a:srgbClr val="FFFFFF"/></a:solidFill>'
DARK = '<p:bg><p:bgPr><a:solidFill><a:srgbClr val="1F3864"/></a:solidFill><a:effectLst/></p:bgPr></p:bg>'
TITLE = ("<p:nvPr/></p:nvSpPr>", '<p:nvPr><p:ph type="title"/></p:nvPr></p:nvSpPr>')


def told(content: bytes, ending: str, converter: Converter) -> list[str]:
    with memory_file(content) as file:
        return [str(line) for line in find_unseen_parts(converter, file, ending)]


def changed(content: bytes, part: str, *changes: tuple[str, str]) -> bytes:
    with zipfile.ZipFile(BytesIO(content)) as file:
        text = file.read(part).decode()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return with_parts(content, {part: text})


@pytest.mark.slow
def test_texts_that_only_a_drawing_of_the_slides_shows_as_unseen_are_told() -> None:
    """The first title is white by its master slide, the second too, but on a dark slide."""
    style = f"<p:txStyles><p:titleStyle><a:lvl1pPr><a:defRPr>{WHITE}</a:defRPr></a:lvl1pPr></p:titleStyle>"
    master = (TITLE, ("</p:sldMaster>", f"{style}</p:txStyles></p:sldMaster>"))
    talk = changed(a_talk("wit", "zichtbaar", "buiten"), "ppt/slideMasters/slideMaster1.xml", *master)
    talk = changed(talk, "ppt/slides/slide1.xml", TITLE)
    talk = changed(talk, "ppt/slides/slide2.xml", TITLE, ("<p:cSld>", f"<p:cSld>{DARK}"))
    talk = changed(talk, "ppt/slides/slide3.xml", ('<a:off x="900000"', '<a:off x="-6000000"'))

    lines = told(talk, ".pptx", Converter())

    assert [str(detail_sentence(kind, "1", "")) for kind in ("unseen", "outside")] == lines


def test_slides_that_cannot_be_drawn_are_told(tmp_path: Path) -> None:
    (nothing,) = told(b"PK", ".odp", a_converter(tmp_path, "exit 1"))

    assert nothing.startswith(str(detail_sentence("unread", "1", "?")))


@pytest.mark.slow
def test_a_text_in_the_colour_of_its_background_is_told_and_an_arabic_text_is_not() -> None:
    """Poppler adds marks of direction to Arabic, which have no place on the page."""
    blue = '<w:rPr><w:color w:val="0000FF"/><w:shd w:val="clear" w:fill="0000FF"/></w:rPr>'
    more = (
        f"<w:p><w:r>{blue}<w:t>geheim</w:t></w:r></w:p><w:p><w:r><w:t>هذا خبر عن شخص (ABC)</w:t></w:r></w:p>"
    )

    assert [str(detail_sentence("unseen", "1", ""))] == told(a_shown_docx(more=more), ".docx", Converter())


@pytest.mark.slow
def test_the_hidden_parts_of_an_older_text_are_told() -> None:
    with memory_file(with_settings(a_docx())) as file:
        (older,) = office_to(Converter(), file, "doc")

    lines = told(older, ".doc", Converter())

    assert str(detail_sentence("comments", "1", COMMENTER)) in lines
    assert any(ADDER in line and DELETER in line for line in lines)


@pytest.mark.parametrize("ending", [".xlsx", ".ods", ".jpg", ".pdf", ".txt"])
def test_nothing_is_made_of_a_file_that_other_programs_examine(tmp_path: Path, ending: str) -> None:
    assert [] == told(b"PK", ending, a_converter(tmp_path, "exit 1"))


@pytest.mark.parametrize("ending", [".odp", ".docx", ".pptx", ".ppt", ".doc"])
def test_only_what_no_one_sees_is_told_of_a_drawing(tmp_path: Path, ending: str) -> None:
    found = [("hidden", "2", ""), ("detail", "Creator", "Impress"), ("links", "1", "a")]
    lines = "".join(f"{json.dumps(each)}\n" for each in found)
    (tmp_path / "answer").write_text(lines)
    answer, size = f"/usr/bin/cat {tmp_path}/answer", len(lines)
    one = f"echo 'ok 0 {size}'; {answer}"
    two = f"echo 'ok 0 {size} {size}'; {answer}; {answer}"  # from one run of LibreOffice
    converter = a_converter(
        tmp_path, f'for last; do :; done; case "$last" in "pdf "*) {two};; *) {one};; esac'
    )

    kinds = ["unseen", *(["hidden", "links"] if ending in {".doc", ".ppt"} else [])]
    sentences = {kind: str(detail_sentence(kind, "2", "")) for kind in ("unseen", "hidden")}
    sentences["links"] = str(detail_sentence("links", "1", "a"))

    assert [sentences[kind] for kind in kinds] == told(b"PK", ending, converter)


def test_an_impossible_answer_about_a_drawing_is_told(tmp_path: Path) -> None:
    converter = a_converter(tmp_path, "echo 'ok 0 2'; printf '[]'")

    assert [str(detail_sentence("unread", "1", "?"))] == told(b"PK", ".odp", converter)
