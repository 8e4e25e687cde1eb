"""Copies that are offered: a hostile or clumsy cleaner never gets a copy past the comparison."""

import subprocess
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from journalist_app.cleaning import cleaners, copy_sentences, safe_copies, shown_content
from journalist_app.cleaning.safe_copies import SandboxedExaminer, name_of_type
from journalist_app.cleaning.same_content import Difference
from journalist_app.conversion.converter_run import memory_file
from journalist_app.errors import ConversionRefusal
from journalist_app.files.file_examiner import CopyForm, CopyOutcome
from journalist_app.files.metadata import Mat2
from journalist_app.files.metadata_sentences import pictures_sentence
from tests.journalist_app.cleaning.shown_office_files import (
    a_sheet,
    a_shown_docx,
    a_talk,
    with_parts,
    with_settings,
)
from tests.journalist_app.conversion.files_to_convert import OPENLY, a_small_pdf, an_image
from tests.journalist_app.files.file_factories import (
    ADDED,
    AUTHOR,
    DELETED,
    KEPT,
    a_docx,
    a_full_pdf,
    a_jpeg,
    a_locked_pdf,
    a_png,
    a_webp,
    a_zip,
    an_odt,
)

NOTHING_RUNS = SandboxedExaminer(Mat2(bwrap=Path("/usr/bin/false")))
EXAMINER = SandboxedExaminer(Mat2(bwrap=OPENLY.bwrap))


def copy_of(content: bytes, name: str, examiner: SandboxedExaminer = EXAMINER) -> CopyOutcome:
    with memory_file(content) as file:
        made = examiner.make_copy(file, name)
        file.seek(0)
        assert content == file.read()  # the original is unchanged
    return made


def a_recording(form: str, *options: str) -> bytes:
    """Make a second of sound, or of video with sound, with the name of its maker."""
    given = ("-f", "lavfi", "-i", "sine=duration=1", *options, "-metadata", f"artist={AUTHOR}", "-f", form)
    command = ("ffmpeg", "-v", "error", *given, "-y", f"/tmp/recording-{form}")  # noqa: S108
    subprocess.run(command, check=True)
    path = Path(command[-1])
    made = path.read_bytes()
    path.unlink()
    return made


def exif_orientation(number: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = number
    raw = BytesIO()
    Image.open(BytesIO(an_image("PNG"))).save(raw, "JPEG", exif=exif, quality=95)
    return raw.getvalue()


# ---- real programs


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "name"),
    [
        (a_shown_docx(), "genummerd.docx"),
        (a_sheet({"A1": "alleen dit"}, comment=AUTHOR), "klein.xlsx"),
        (a_talk("eerste", "tweede", hidden="geheim", notes="praat"), "praatje.pptx"),
        (with_settings(a_docx()), "wijzigingen.docx"),
        (an_odt(), "wijzigingen.odt"),
    ],
    ids=["docx", "xlsx", "pptx", "changes in docx", "changes in odt"],
)
def test_an_office_file_gets_a_cleaned_copy_that_shows_the_same(content: bytes, name: str) -> None:
    made = copy_of(content, name)

    assert (copy_sentences.CLEANED,) == made.remarks
    assert made.copy is not None
    assert (CopyForm.CLEANED, name) == (made.copy.form, made.copy.name)
    with zipfile.ZipFile(BytesIO(made.copy.content)) as file:
        texts = "".join(file.read(part).decode("latin-1") for part in file.namelist())
    assert [] == [mark for mark in (AUTHOR, DELETED, "geheim", "praat") if mark in texts]
    if "wijzigingen" in name:
        assert KEPT in texts
        assert ADDED in texts


@pytest.mark.slow
@pytest.mark.parametrize(("number", "corner"), [(3, "blue"), (6, "red"), (8, "blue")])
def test_a_photo_that_the_camera_turned_stays_the_same_way_up(number: int, corner: str) -> None:
    made = copy_of(exif_orientation(number), "foto.jpg")

    assert made.copy is not None
    picture = Image.open(BytesIO(made.copy.content))
    assert (48, 32) == (picture.size if number == 3 else picture.size[::-1])
    red, _, blue = picture.getpixel((1, 1))
    assert corner == ("red" if red > blue else "blue")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "name", "copy_name"),
    [
        (a_jpeg(), "foto.jfif", "foto.jfif"),
        (a_jpeg(), "foto.jpg_large", "foto.jpg"),
        (a_jpeg(), "foto.txt", "foto.jpg"),
        (a_png(), "beeld.png", "beeld.png"),
        (an_image("TIFF"), "scan.tif", "scan.tif"),
        (an_image("BMP"), "beeld.bmp", "beeld.bmp"),
        (an_image("GIF"), "beeld.gif", "beeld.gif"),
    ],
    ids=["jfif", "jpg_large", "txt", "png", "tif", "bmp", "gif"],
)
def test_a_picture_is_recognised_by_its_content_and_cleaned(
    content: bytes, name: str, copy_name: str
) -> None:
    made = copy_of(content, name)

    assert made.copy is not None
    assert (CopyForm.CLEANED, copy_name) == (made.copy.form, made.copy.name)
    assert AUTHOR.encode() not in made.copy.content


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "ending"), [*((each, each) for each in ("mp3", "wav", "ogg", "flac")), ("ipod", "m4a")]
)
def test_a_sound_is_cleaned_without_a_change_of_the_sound(form: str, ending: str) -> None:
    made = copy_of(a_recording(form), f"stem.{ending}")

    assert (copy_sentences.CLEANED,) == made.remarks
    assert made.copy is not None
    assert AUTHOR.encode() not in made.copy.content


@pytest.mark.slow
@pytest.mark.parametrize("form", ["mp4", "mov", "avi", "asf"])
def test_a_film_is_cleaned_without_a_change_of_pictures_and_sound(form: str) -> None:
    content = a_recording(form, "-f", "lavfi", "-i", "testsrc=duration=1:size=64x48")

    made = copy_of(content, "film." + form.replace("asf", "wmv"))

    assert (copy_sentences.CLEANED,) == made.remarks
    assert made.copy is not None
    assert AUTHOR.encode() not in made.copy.content


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "name", "pages"),
    [
        (a_full_pdf(), "stuk.pdf", 1),
        (a_small_pdf(3), "plan.pdf", 3),
        (b"{\\rtf1 woord}", "brief.rtf", 1),
        (b"<!DOCTYPE html><html><p>woord</html>", "bladzijde.html", 1),
        (a_webp(), "foto.webp", 1),
    ],
    ids=["pdf", "pages", "rtf", "html", "webp"],
)
def test_what_cannot_be_cleaned_goes_as_pictures_of_its_pages(content: bytes, name: str, pages: int) -> None:
    made = copy_of(content, name)

    assert made.copy is not None
    assert pages == made.copy.pages
    assert (CopyForm.PAGES, Path(name).stem + ".pdf") == (made.copy.form, made.copy.name)
    assert str(pictures_sentence(pages)) == str(made.remarks[-1])
    assert AUTHOR.encode() not in made.copy.content
    with memory_file(made.copy.content) as pdf:
        assert pages == shown_content.count_few_pages(OPENLY, pdf)


# ---- planted faults


def with_planted_copy(monkeypatch: pytest.MonkeyPatch, planted: bytes) -> None:
    """Replace the cleaner by one that a hostile file has taken over, or that is simply wrong."""
    monkeypatch.setattr(cleaners, "make_cleaned_copy", lambda *_: planted)


_NO_NUMBERS = with_parts(
    a_shown_docx(),
    {
        "word/numbering.xml": "<w:numbering"
        ' xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"/>'
    },
)


def cleaned(content: bytes, ending: str) -> bytes:
    """Return a copy that our own cleaner made of an office file."""
    with memory_file(content) as file:
        return cleaners.make_cleaned_copy(OPENLY, file, ending)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("original", "planted", "name", "difference"),
    [
        (a_sheet({"A1": "een", "B7": "twee"}), a_sheet({"A1": "een"}), "blad.xlsx", Difference.WORDS),
        (a_talk("een", "twee"), a_talk("een"), "praatje.pptx", Difference.PAGES),
        (a_shown_docx(), _NO_NUMBERS, "brief.docx", Difference.WORDS),
        (a_shown_docx(), a_shown_docx(picture=False), "brief.docx", Difference.PICTURES),
    ],
    ids=["cell", "slide", "list number", "picture"],
)
def test_a_document_that_lost_something_is_not_offered(
    monkeypatch: pytest.MonkeyPatch, original: bytes, planted: bytes, name: str, difference: Difference
) -> None:
    with_planted_copy(monkeypatch, cleaned(planted, Path(name).suffix))

    made = copy_of(original, name)

    assert copy_sentences.words_of_difference(difference) == made.remarks[0]
    assert made.copy is not None
    assert CopyForm.PAGES is made.copy.form


@pytest.mark.slow
def test_a_cell_that_no_page_prints_is_compared_too(monkeypatch: pytest.MonkeyPatch) -> None:
    original = a_sheet({"A1": "een", "B7": "twee"}, printed="Blad!$A$1")
    planted = a_sheet({"A1": "een"}, printed="Blad!$A$1")
    with_planted_copy(monkeypatch, cleaned(planted, ".xlsx"))

    made = copy_of(original, "blad.xlsx")

    assert copy_sentences.words_of_difference(Difference.CELLS) == made.remarks[0]


@pytest.mark.slow
def test_a_copy_with_a_relationship_to_a_missing_part_is_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    clean = cleaned(a_shown_docx(), ".docx")
    with_planted_copy(monkeypatch, with_parts(clean, {}, without="word/styles.xml"))

    made = copy_of(a_shown_docx(), "brief.docx")

    assert copy_sentences.LINKS == made.remarks[0]


@pytest.mark.parametrize(
    ("original", "name"),
    [(a_docx(), "brief.docx"), (a_jpeg(), "foto.jpg"), (a_png(), "beeld.png")],
    ids=["docx", "jpg", "png"],
)
def test_a_copy_that_still_has_an_author_is_not_offered(
    monkeypatch: pytest.MonkeyPatch, original: bytes, name: str
) -> None:
    with_planted_copy(monkeypatch, original)

    made = copy_of(original, name)

    assert AUTHOR in str(made.remarks[0])
    assert made.copy is None or CopyForm.PAGES is made.copy.form


@pytest.mark.slow
def test_pictures_never_show_changes_that_the_writer_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    with_planted_copy(monkeypatch, with_settings(a_docx()))

    shown, refused = copy_of(with_settings(a_docx()), "brief.docx"), copy_of(a_docx(), "brief.docx")

    assert shown.copy is not None
    assert refused.copy is None
    with memory_file(with_settings(a_docx())) as file, memory_file(shown.copy.content) as pdf:
        with memory_file(cleaners.make_final_copy(OPENLY, file, ".docx")) as final:
            (content,) = shown_content.shown_by_documents(OPENLY, [final], ".docx")
        assert 1 == shown_content.count_few_pages(OPENLY, pdf)
    assert DELETED not in content.words[0]
    assert ADDED.strip() in content.words[0]


@pytest.mark.slow
def test_pictures_of_an_older_text_never_show_removed_words() -> None:
    people = rb"{\*\revtbl{Unknown;}{Anna;}}"
    texts = [
        rb"{\rtf1" + people + b"dit blijft" + more + b"}" for more in (rb"{\deleted\revauthdel1 geheim}", b"")
    ]

    with_removed, without = (copy_of(each, "brief.rtf").copy for each in texts)

    assert with_removed is not None
    assert with_removed == without


def test_a_photo_that_lost_its_way_up_is_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    with_planted_copy(monkeypatch, an_image("JPEG"))

    made = copy_of(exif_orientation(3), "foto.jpg")

    assert copy_sentences.words_of_difference(Difference.PICTURES) == made.remarks[0]


@pytest.mark.slow
def test_a_sound_that_was_cut_is_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    with_planted_copy(monkeypatch, cleaned(a_recording("wav", "-t", "0.5"), ".wav"))

    made = copy_of(a_recording("wav"), "stem.wav")

    assert (None, copy_sentences.words_of_difference(Difference.SOUND)) == (made.copy, made.remarks[0])


def test_a_copy_that_cannot_be_compared_is_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    with_planted_copy(monkeypatch, b"\x89PNG\r\n\x1a\n")

    made = copy_of(an_image("PNG"), "beeld.png")

    assert made.copy is None or CopyForm.PAGES is made.copy.form
    assert copy_sentences.CLEANED not in made.remarks


def test_a_pdf_goes_as_pictures_of_its_pages_and_says_how_many() -> None:
    made = copy_of(a_small_pdf(2), "stuk.pdf")

    assert made.copy is not None
    assert (CopyForm.PAGES, 2) == (made.copy.form, made.copy.pages)
    assert "pictures of 2 pages" in str(made.remarks[-1])


def test_pictures_that_differ_from_the_pages_are_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safe_copies, "pdf_of_pictures", lambda pictures: [*pictures] and a_small_pdf(1))

    made = copy_of(a_small_pdf(1), "stuk.pdf")

    assert (None, copy_sentences.words_of_refusal(ConversionRefusal.FAILED)) == (made.copy, made.remarks[-1])


# ---- reasons


_CONTAINER = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)
ORDINARY: dict[str, bytes] = {
    "doc": _CONTAINER + "WordDocument".encode("utf-16-le"),
    "ppt": _CONTAINER + "PowerPoint Document".encode("utf-16-le"),
    "msg": _CONTAINER + "__substg1.0_0037001F".encode("utf-16-le"),
    "eml": b"From: a@example.org\nDate: Mon, 2 Mar 2026\n\nhoi\n",
    "mp4": b"\0\0\0\x18ftypmp42",
    "mov": b"\0\0\0\x14ftypqt  ",
    "3gp": b"\0\0\0\x18ftyp3gp4",
    "amr": b"#!AMR\n",
    "wav": b"RIFF\0\0\0\0WAVE",
    "mkv": b"\x1aE\xdf\xa3",
    "txt": b"tekst",
    "csv": "één;twee".encode("latin-1"),
    "json": b'{"a": 1}',
    "zip": a_zip({"a.txt": "a"}),
    "7z": b"7z\xbc\xaf\x27\x1c",
    "gz": b"\x1f\x8b\x08",
    "exe": b"MZ\x90\0",
    "docm": a_zip({"[Content_Types].xml": "<Types/>", "word/document.xml": "<a/>"}),
    "avif": b"\0\0\0\x1cftypavif",
    "svg": b"<svg/>",
    "pdf": b"%PDF-1.7\n%%EOF",
}


@pytest.mark.parametrize("ending", ORDINARY)
def test_every_ordinary_file_without_a_copy_has_a_reason(ending: str) -> None:
    made = copy_of(ORDINARY[ending], f"gewoon.{ending}", NOTHING_RUNS)

    assert made.copy is None
    assert made.remarks
    assert all(str(remark) for remark in made.remarks)


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        ("doc", "office file"),
        ("eml", "e-mail"),
        ("msg", "e-mail"),
        ("json", "plain text"),
        ("csv", "plain text"),
        ("7z", "other files"),
        ("mkv", "sound or video"),
        ("exe", "does not know"),
    ],
)
def test_the_reason_names_the_type_of_the_file(ending: str, words: str) -> None:
    made = copy_of(ORDINARY[ending], f"gewoon.{ending}", NOTHING_RUNS)

    assert words in str(made.remarks[0])


def test_a_locked_pdf_and_a_missing_sandbox_are_named() -> None:
    locked = copy_of(a_locked_pdf(), "stuk.pdf")
    alone = copy_of(a_png(), "beeld.png", SandboxedExaminer(Mat2(bwrap=Path("/usr/bin/ls"))))

    assert copy_sentences.words_of_refusal(ConversionRefusal.LOCKED) == locked.remarks[-1]
    assert (copy_sentences.words_of_refusal(ConversionRefusal.NO_SANDBOX),) == alone.remarks


@pytest.mark.parametrize(("form", "name"), [("GIF", "beeld.gif"), ("JPEG", "foto.jpg")])
def test_the_real_sandbox_makes_the_same_copy_or_refuses(form: str, name: str) -> None:
    """The machine decides whether a sandbox is allowed. On no machine may a third result occur."""
    content = an_image(form)

    made = copy_of(content, name, SandboxedExaminer())

    refused = CopyOutcome(None, (copy_sentences.words_of_refusal(ConversionRefusal.NO_SANDBOX),))
    assert made in {copy_of(content, name), refused}
    assert made.copy is None or CopyForm.CLEANED is made.copy.form


def test_an_empty_file_has_no_copy_and_no_second_reason() -> None:
    assert CopyOutcome(None) == copy_of(b"", "leeg.pdf")


def test_a_file_with_too_many_pages_or_pictures_is_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shown_content, "PAGES", 1)
    frames = BytesIO()
    Image.new("RGB", (2, 2)).save(
        frames,
        "GIF",
        save_all=True,
        append_images=[Image.new("RGB", (2, 2), (n, 9, n)) for n in range(1, 60)],
    )

    long, many = copy_of(a_small_pdf(2), "lang.pdf"), copy_of(frames.getvalue(), "film.gif")

    limit = copy_sentences.words_of_refusal(ConversionRefusal.LIMIT)
    assert [(None, limit), (None, limit)] == [(each.copy, each.remarks[-1]) for each in (long, many)]


def test_all_programs_end_at_the_end_of_the_files_share_of_time() -> None:
    with memory_file(a_png()) as file:
        made = EXAMINER.make_copy(file, "beeld.png", until=0.0)

    assert (None, (copy_sentences.words_of_refusal(ConversionRefusal.LIMIT),)) == (made.copy, made.remarks)


@pytest.mark.parametrize(
    ("name", "ending", "expected"),
    [
        ("foto.JPG", ".jpg", "foto.JPG"),
        ("foto.jpe", ".jpg", "foto.jpe"),
        ("foto.docx", ".jpg", "foto.jpg"),
        ("foto", ".jpg", "foto.jpg"),
        ("brief.docm", ".docx", "brief.docx"),
    ],
)
def test_the_name_of_a_copy_fits_its_content(name: str, ending: str, expected: str) -> None:
    assert expected == name_of_type(name, ending)
