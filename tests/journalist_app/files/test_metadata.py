"""Metadata of files, with hostile files, and on machines that allow no sandbox.

Most of these tests run mat2 in a replaced sandbox that isolates nothing, so that they prove the same on every
machine.
"""

import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO, FileIO
from pathlib import Path

import pytest
from flask_babel import LazyString

from journalist_app.files import metadata, metadata_sentences, pdf_parts
from journalist_app.files.metadata import FileFindings, Mat2
from journalist_app.files.metadata_sentences import detail_sentence
from tests.journalist_app.files.file_factories import (
    ADDER,
    AUTHOR,
    CAMERA,
    COMMENTER,
    DELETER,
    LAYOUT,
    a_cropped_pdf,
    a_docx,
    a_full_pdf,
    a_jpeg,
    a_locked_pdf,
    a_pdf,
    a_pdf_with_a_photo,
    a_pdf_with_actions,
    a_png,
    a_wav,
    a_webp,
    a_zip,
    an_m4a,
    an_mov,
    an_mp3,
    an_mp4,
    an_odt,
)
from tests.programs.hostile_programs import are_gone

NO_SANDBOX = Path("/usr/bin/ls")  # does not know the options: it writes a message and fails
_OPENED: list[FileIO] = []
OPENLY = Mat2(bwrap=Path(__file__).with_name("no_isolation.sh"))


@pytest.fixture(autouse=True)
def close_files() -> Iterator[None]:
    yield
    while _OPENED:
        _OPENED.pop().close()


def a_file(room: Path, content: bytes) -> FileIO:
    """Make an open file with this content."""
    path = room / "file"
    path.write_bytes(content)
    _OPENED.append(path.open("rb", buffering=0))
    return _OPENED[-1]


def a_program(room: Path, script: str) -> Path:
    """Write a script that replaces a program of the system."""
    path = room / "program"
    path.write_text("#!/bin/sh\n" + script)
    path.chmod(0o700)
    return path


def a_mat2(room: Path, script: str) -> Mat2:
    return replace(OPENLY, mat2=a_program(room, script))


def a_sandbox(room: Path, says: str) -> Mat2:
    """Write a fake sandbox that works, logs its arguments and prints `says`."""
    return Mat2(
        bwrap=a_program(
            room,
            f'for each; do :; done; case "$each" in "echo inside") echo inside; exit;; esac\n'
            f"printf '%s\\n' \"$@\" >{room}/called; printf '{says}'",
        )
    )


# ---- inspection


def test_author_changes_comments_and_hidden_text_of_a_docx_are_reported(tmp_path: Path) -> None:
    looked = OPENLY.inspect(a_file(tmp_path, a_docx()), "brief.docx")

    assert detail_sentence("person", "creator", AUTHOR) in looked.lines
    assert detail_sentence("changes", "3", f"{LAYOUT}, {ADDER}, {DELETER}") in looked.lines
    assert detail_sentence("comments", "1", COMMENTER) in looked.lines
    assert detail_sentence("hidden", "1", "") in looked.lines


def test_place_maker_camera_and_day_of_a_photograph_are_reported(tmp_path: Path) -> None:
    looked = OPENLY.inspect(a_file(tmp_path, a_jpeg()), "Foto.JPG")

    assert detail_sentence("person", "Artist", AUTHOR) in looked.lines
    assert detail_sentence("device", "Model", CAMERA) in looked.lines
    assert any(
        line.startswith(str(detail_sentence("place", "GPSPosition", "52 deg 4' 47"))) for line in looked.lines
    )
    time = str(detail_sentence("time", "", "")).partition("(")[0]
    assert any(line.startswith(time) and "2 March 2026, 09:10" in line for line in looked.lines)


@pytest.mark.slow
def test_author_changes_and_comments_of_an_odt_are_reported(tmp_path: Path) -> None:
    looked = OPENLY.inspect(a_file(tmp_path, an_odt()), "brief.odt")

    assert detail_sentence("person", "initial-creator", AUTHOR) in looked.lines
    assert detail_sentence("changes", "3", f"{ADDER}, {DELETER}, {LAYOUT}") in looked.lines
    assert detail_sentence("comments", "1", COMMENTER) in looked.lines


@pytest.mark.slow
def test_the_author_and_the_program_of_a_pdf_are_distinguished(tmp_path: Path) -> None:
    looked = OPENLY.inspect(a_file(tmp_path, a_pdf()), "stuk.pdf")

    assert detail_sentence("person", "author", AUTHOR) in looked.lines
    assert detail_sentence("device", "creator", CAMERA) in looked.lines


def test_every_hidden_part_of_a_pdf_is_reported(tmp_path: Path) -> None:
    looked = OPENLY.inspect(a_file(tmp_path, a_full_pdf()), "stuk.pdf")

    for finding in (
        ("comments", "2", f"{COMMENTER}, {ADDER}"),
        ("embedded", "3", "lijst.xlsx, ?"),
        ("links", "1", "http://intranet.example/anna"),
        ("hidden", "4", ""),
        ("beside", "1", ""),
        ("layers", "2", "Laag, Andere laag"),
        ("fields", "2", "XFA, naam: Anna"),
    ):
        assert detail_sentence(*finding) in looked.lines


def test_a_program_and_actions_in_a_pdf_are_reported(tmp_path: Path) -> None:
    looked = OPENLY.inspect(a_file(tmp_path, a_pdf_with_actions()), "stuk.pdf")

    assert (detail_sentence("scripts", "1", ""), detail_sentence("actions", "3", "")) == looked.lines


def test_a_text_that_is_cut_off_a_pdf_page_is_reported(tmp_path: Path) -> None:
    looked = OPENLY.inspect(a_file(tmp_path, a_cropped_pdf()), "stuk.pdf")

    assert (detail_sentence("beside", "1", ""),) == looked.lines


def test_the_metadata_of_a_photo_in_a_pdf_and_the_maker_in_xmp_are_reported(tmp_path: Path) -> None:
    looked = OPENLY.inspect(a_file(tmp_path, a_pdf_with_a_photo()), "stuk.pdf")

    for finding in (
        ("person", "Artist", AUTHOR),
        ("device", "Model", CAMERA),
        ("person", "Creator", COMMENTER),
    ):
        assert detail_sentence(*finding) in looked.lines
    assert any(str(line).startswith("Place") for line in looked.lines)


def test_an_older_version_that_stayed_in_a_pdf_is_reported(tmp_path: Path) -> None:
    """Many programs add a newer version at the end of the file, and leave the older one in the file."""
    start = a_cropped_pdf().rpartition(b"startxref\n")[2].split()[0]
    newer = b"\nxref\n0 0\ntrailer\n<</Size 6/Root 1 0 R/Prev %s>>\nstartxref\n%d\n%%%%EOF\n"
    twice = a_cropped_pdf() + newer % (start, len(a_cropped_pdf()) + 1)

    looked = OPENLY.inspect(a_file(tmp_path, twice), "stuk.pdf")

    assert detail_sentence("older", "1", "") in looked.lines


def test_a_pdf_for_fast_reading_has_no_older_version() -> None:
    end = b"\nstartxref\n0\n%%EOF\n"

    assert [] == list(pdf_parts._older_versions(b"%PDF-1.7\n1 0 obj<</Linearized 1>>" + end + end))
    assert 2 == len(list(pdf_parts._older_versions(b"%PDF-1.7" + end * 3)))


@pytest.mark.parametrize(("make", "name"), [(a_jpeg, "foto.jpg"), (a_png, "beeld.png")])
def test_a_film_behind_a_picture_is_reported(tmp_path: Path, make: Callable[[], bytes], name: str) -> None:
    looked = OPENLY.inspect(a_file(tmp_path, make() + b"film" * 5), name)

    assert detail_sentence("trailer", "20", "") in looked.lines
    assert not any(
        str(line).startswith("Bytes") for line in OPENLY.inspect(a_file(tmp_path, make()), name).lines
    )


def test_a_pdf_with_a_password_is_named(tmp_path: Path) -> None:
    looked = OPENLY.inspect(a_file(tmp_path, a_locked_pdf()), "stuk.pdf")

    assert FileFindings((metadata_sentences.LOCKED,), is_examined=False) == looked


def test_a_tag_that_mat2_shows_once_is_reported_twice(tmp_path: Path) -> None:
    again = "ImageWidth: 48\\nImageWidth: 12\\nArtist: Bas\\nOrientation: 1"
    says = f"=\\n    Artist: Ans\\n    Subject: [\\047een\\047, \\047twee\\047]\\n=\\n{again}"

    looked = a_sandbox(tmp_path, says).inspect(a_file(tmp_path, b"II*\0"), "foto.tiff")

    assert (
        *(detail_sentence("person", "Artist", name) for name in ("Ans", "Bas")),
        detail_sentence("thumbnail", "", ""),
        detail_sentence("other", "Subject", "een, twee"),
    ) == looked.lines


def test_the_files_of_an_archive_are_reported(tmp_path: Path) -> None:
    path = a_file(tmp_path, a_zip({"a.txt": "a"}))
    mat2 = a_mat2(tmp_path, "echo '    date_time: 2026-03-02'")

    looked = mat2.inspect(path, "alles.zip")

    assert (detail_sentence("time", "date_time", "2026-03-02"),) == looked.lines


def test_the_creator_of_a_pdf_is_a_program(tmp_path: Path) -> None:
    mat2 = a_mat2(tmp_path, f"echo '    author: {AUTHOR}'; echo '    creator: {CAMERA}'")

    looked = mat2.inspect(a_file(tmp_path, a_pdf()), "stuk.pdf")

    assert (
        detail_sentence("person", "author", AUTHOR),
        detail_sentence("device", "creator", CAMERA),
    ) == looked.lines


# ---- the sandbox


def test_where_no_sandbox_is_allowed_mat2_does_not_run_and_the_adviser_is_told(tmp_path: Path) -> None:
    path = a_file(tmp_path, a_docx())
    mat2 = Mat2(bwrap=NO_SANDBOX, mat2=a_program(tmp_path, f"/usr/bin/touch {tmp_path}/ran"))

    looked = mat2.inspect(path, "brief.docx")

    assert (str(metadata_sentences.NO_SANDBOX),) == looked.lines
    assert not (tmp_path / "ran").exists()


def test_where_bubblewrap_is_missing_mat2_does_not_run_and_the_adviser_is_told(tmp_path: Path) -> None:
    looked = Mat2(bwrap=tmp_path / "missing").inspect(a_file(tmp_path, a_docx()), "brief.docx")

    assert (str(metadata_sentences.NO_SANDBOX),) == looked.lines


def test_the_sandbox_has_no_network_and_does_not_see_the_files_name(tmp_path: Path) -> None:
    name = "--help\n\u202e geheim $(touch x).docx"

    looked = a_sandbox(tmp_path, "=\\n    Author: Anna\\n").inspect(a_file(tmp_path, a_docx()), name)

    called = (tmp_path / "called").read_text()
    assert detail_sentence("person", "Author", "Anna") == looked.lines[0]
    for word in ("--unshare-all", "--die-with-parent", "--new-session", "--clearenv", "/tmp/file.docx"):  # noqa: S108
        assert word in called.splitlines()
    assert "geheim" not in called
    assert str(tmp_path) not in called


@pytest.mark.parametrize("says", ['["detail"]\\n=\\n', '["invented", "1", ""]\\n=\\n'])
def test_output_in_another_format_than_ours_is_refused(tmp_path: Path, says: str) -> None:
    looked = a_sandbox(tmp_path, says).inspect(a_file(tmp_path, a_docx()), "brief.docx")

    assert looked.lines[0] == str(metadata_sentences.FAILED)


def test_the_real_sandbox_shows_what_mat2_shows_or_refuses(tmp_path: Path) -> None:
    """The machine decides whether a sandbox is allowed. On no machine may a third result occur."""
    path = a_file(tmp_path, a_jpeg())

    looked = Mat2().inspect(path, "foto.jpg")

    refused = Mat2(bwrap=NO_SANDBOX).inspect(path, "foto.jpg")
    assert looked in {OPENLY.inspect(path, "foto.jpg"), refused}


# ---- hostile files and programs


def test_a_hostile_file_is_ended_at_its_share_of_the_time(tmp_path: Path) -> None:
    mark = str(time.time_ns())
    mat2 = a_mat2(tmp_path, f"trap '' TERM; /usr/bin/sleep {mark} & /usr/bin/sleep {mark}")
    file = a_file(tmp_path, a_docx())

    looked = mat2.inspect(file, "brief.docx", time.monotonic() + 1)

    assert looked.lines == (str(metadata_sentences.FAILED),)
    assert are_gone(mark)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        *(
            (name, b"\x01\x02\x03")
            for name in ("", ".", "docx", "a.docx\n", "a.exe", "x.DOCX\u202e", "--in", "a.txt")
        ),
        ("a.tar.gz", b"\x1f\x8b\x08"),
    ],
)
def test_an_unknown_type_of_file_is_reported_as_unknown(tmp_path: Path, name: str, content: bytes) -> None:
    path = a_file(tmp_path, content)

    looked = OPENLY.inspect(path, name)

    assert looked.lines == (str(metadata_sentences.UNKNOWN_TYPE),)


def test_of_the_notes_for_each_moment_of_a_film_each_kind_is_told_once() -> None:
    """Attack: a film with a note for each of a million moments."""
    notes = "".join(
        f"[Doc{place}] SampleTime: {place} s\n[Doc{place}] Text: {place}\n" for place in range(99)
    )

    found = metadata._found("", f"Author: Ans\n{notes}[Doc1] Text: another\n[Doc2] GPSSpeed: ", "", ".mp4")

    assert {("Text", "0"): None} == found["timed"]
    assert {("Author", "Ans"): None} == found["person"]


def test_settings_of_the_camera_are_one_line_and_hide_no_name() -> None:
    settings = "".join(f"{name}: 1\n" for name in ("FNumber", "ISO", "ExposureTime", "FocalLength", "Flash"))

    found = metadata._found("", f"{settings}RegionName: Anna\nISO: 0\n", "", ".jpg")
    none = metadata._found("", "CleanAperture: 48 32\nISO: 0\nColorPrimaries: BT.709\n", "", ".heic")

    assert {("RegionName", "Anna"): None} == found["person"]
    assert {("", ""): None} == found["camera"]
    assert {} == found["other"]
    assert not any(none.values())


@pytest.mark.parametrize(
    ("kind", "key", "words"),
    [
        ("person", "XPAuthor", "Name (made by): x"),
        ("place", "GPSDateStamp", "Place (date and time): x"),
        ("other", "WebStatement", "Another detail (called WebStatement in the file): x"),
        ("sheets", "2", "Hidden sheets in the file: 2 (x)."),
        ("named", "Zaak", "Detail under a name that a person or program chose (Zaak): x"),
    ],
)
def test_a_name_of_metadata_is_in_words_or_told_as_a_name(kind: str, key: str, words: str) -> None:
    assert words == str(detail_sentence(kind, key, "x"))


def test_what_the_source_reads_too_names_nothing_that_only_the_adviser_has() -> None:
    """At a proposal, the source reads why a file was not examined."""
    remarks = [each for each in vars(metadata_sentences).values() if isinstance(each, LazyString)]
    sentences = [str(each).lower() for each in (*remarks, *metadata_sentences.DETAILS.values())]

    assert len(remarks) > 7
    assert [] == [
        each for each in sentences if any(word in each for word in ("the app", "this computer", "operator"))
    ]


def test_an_empty_file_is_reported_as_empty(tmp_path: Path) -> None:
    looked = OPENLY.inspect(a_file(tmp_path, b""), "leeg.pdf")

    assert looked == FileFindings((str(metadata_sentences.EMPTY),), is_examined=False)


@pytest.mark.parametrize(
    "name", ["foto.txt", "foto.docx", "foto.pdf", "foto.jfif", "foto.jpg_large", "", "--in"]
)
def test_a_photograph_under_another_name_does_not_pass_for_clean(tmp_path: Path, name: str) -> None:
    path = a_file(tmp_path, a_jpeg())

    looked = OPENLY.inspect(path, name)

    assert detail_sentence("person", "Artist", AUTHOR) in looked.lines


@pytest.mark.parametrize(
    ("make", "name", "finding"),
    [
        (a_webp, "foto.webp", ("person", "Artist", AUTHOR)),
        (an_m4a, "stem.m4a", ("person", "Artist", AUTHOR)),
        (an_mov, "film.mov", ("device", "Model", CAMERA)),
    ],
    ids=["webp", "m4a", "mov"],
)
def test_tags_of_files_that_mat2_does_not_know_are_reported(
    tmp_path: Path, make: Callable[[], bytes], name: str, finding: tuple[str, str, str]
) -> None:
    path = a_file(tmp_path, make())

    looked = OPENLY.inspect(path, name)

    assert detail_sentence(*finding) in looked.lines


@pytest.mark.parametrize(
    ("make", "name", "finding"),
    [
        (an_mp3, "stem.mp3", ("person", "Artist", AUTHOR)),
        (an_mp3, "stem.mp3", ("thumbnail", "", "")),
        (a_wav, "stem.wav", ("person", "Artist", AUTHOR)),
        (an_mp4, "film.mp4", ("place", "GPSPosition", """52 deg 4' 46.92" N, 4 deg 18' 46.80" E""")),
    ],
    ids=["mp3", "picture in mp3", "wav", "mp4"],
)
def test_tags_of_sound_and_video_are_reported(
    tmp_path: Path, make: Callable[[], bytes], name: str, finding: tuple[str, str, str]
) -> None:
    looked = OPENLY.inspect(a_file(tmp_path, make()), name)

    assert detail_sentence(*finding) in looked.lines


def test_technical_details_that_say_nothing_about_people_are_left_out(tmp_path: Path) -> None:
    said = ("ExifVersion: 0232", "ThumbnailOffset: 428", "MajorBrand: x", "Notes: 0", "Make: Merk")
    mat2 = a_mat2(tmp_path, "".join(f"echo '    {line}'; " for line in said))

    looked = mat2.inspect(a_file(tmp_path, a_jpeg()), "foto.jpg")

    assert (detail_sentence("device", "Make", "Merk"),) == looked.lines


@pytest.mark.parametrize(
    "value",
    ["(Binary data 5210 bytes, use -b option to extract)", '["(Binary data 1 bytes)", "(Binary data 2)"]'],
)
def test_the_small_picture_in_a_photograph_is_reported_as_a_small_picture(tmp_path: Path, value: str) -> None:
    mat2 = a_mat2(tmp_path, f"echo '    PreviewImage: {value}'; echo '    ThumbnailImage: {value}'")

    looked = mat2.inspect(a_file(tmp_path, a_jpeg()), "foto.jpg")

    assert (detail_sentence("thumbnail", "", ""),) == looked.lines


def test_a_plain_text_is_inspected_and_frightens_no_one_with_what_no_program_finds(tmp_path: Path) -> None:
    looked = a_mat2(tmp_path, "echo '  No metadata found'").inspect(a_file(tmp_path, b"tekst"), "brief.txt")

    assert looked == FileFindings((str(metadata_sentences.PLAIN_TEXT),), is_empty=True)


def test_a_missing_mat2_is_reported(tmp_path: Path) -> None:
    looked = replace(OPENLY, mat2=tmp_path / "missing").inspect(a_file(tmp_path, a_docx()), "brief.docx")

    assert looked.lines == (str(metadata_sentences.NO_MAT2),)


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("a.docx", b"PK\x03\x04 and nothing behind it", metadata_sentences.FAILED),
        (
            "a.docx",
            a_zip({"word/document.xml": "<w:broken"}),
            detail_sentence("unread", "1", "word/document.xml"),
        ),
        (
            "a.odt",
            a_zip({"content.xml": '<!DOCTYPE a [<!ENTITY b "' + "b" * 9 + '">]><a>&b;&c;</a>'}),
            detail_sentence("unread", "1", "content.xml"),
        ),
        (
            "a.docx",
            a_zip({f"word/{n}.xml": "<a/>" for n in range(5_001)}),
            detail_sentence("unread", "1", "…"),
        ),
    ],
    ids=["cut short", "broken XML", "entities", "too many parts"],
)
def test_a_malformed_office_file_is_reported(
    tmp_path: Path, name: str, content: bytes, line: LazyString
) -> None:
    path = a_file(tmp_path, content)

    assert str(line) in OPENLY.inspect(path, name).lines


def test_a_part_that_cannot_be_read_hides_no_other_part(tmp_path: Path) -> None:
    parts = {"word/document.xml": "<broken", "word/comments.xml": '<a><comment author="Ans"/></a>'}

    looked = OPENLY.inspect(a_file(tmp_path, a_zip(parts)), "a.docx")

    assert detail_sentence("comments", "1", "Ans") in looked.lines
    assert detail_sentence("unread", "1", "word/document.xml") in looked.lines


@pytest.mark.parametrize("says", ["[-] not read", "exit 1"])
def test_what_mat2_cannot_read_hides_no_hidden_part(tmp_path: Path, says: str) -> None:
    mat2 = a_mat2(tmp_path, says if says == "exit 1" else f"echo '{says}'")

    looked = mat2.inspect(a_file(tmp_path, a_docx()), "a.docx")

    assert detail_sentence("comments", "1", COMMENTER) in looked.lines
    assert detail_sentence("unread", "1", "?") in looked.lines


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jpg", b"\xff\xd8\xff" + b"\0" * 99),
        ("a.pdf", b"%PDF-1.7\n%%EOF"),
        ("a.png", b"\x89PNG\r\n\x1a\n" + b"x" * 99),
    ],
    ids=["jpeg", "pdf", "png"],
)
def test_a_malformed_picture_or_pdf_is_reported(tmp_path: Path, name: str, content: bytes) -> None:
    path = a_file(tmp_path, content)

    assert OPENLY.inspect(path, name).lines[0] == str(metadata_sentences.FAILED)


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    raw = BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as bomb, bomb.open("word/document.xml", "w") as part:
        for _ in range(51):
            part.write(bytes(1_000_000))
    path = a_file(tmp_path, raw.getvalue())

    looked = OPENLY.inspect(path, "bom.docx")

    assert len(raw.getvalue()) < 100_000
    assert looked.lines[0] == detail_sentence("unread", "1", "word/document.xml")
    assert ["file"] == [each.name for each in tmp_path.iterdir()]


@pytest.mark.parametrize(
    "script",
    [
        "exec /bin/sleep 1000",
        "exec >&-; exec /bin/sleep 1000",
        "exec /usr/bin/yes",
        "exit 9",
        "echo '[-] no'",
    ],
)
def test_a_program_that_hangs_floods_or_fails_is_ended_and_reported(tmp_path: Path, script: str) -> None:
    mat2 = a_mat2(tmp_path, script)

    looked = mat2.inspect(a_file(tmp_path, b"tekst"), "brief.txt", time.monotonic() + 1)

    assert looked.lines[0] == str(metadata_sentences.FAILED)


def test_output_of_mat2_is_cut_and_has_no_control_characters(tmp_path: Path) -> None:
    said = "\n".join(
        [
            "    Author: An\x1b[31mna\u202e \x07" + "x" * 500,
            *(f"    Odd{n}: y" for n in range(14)),
            "[+] Metadata: z",
        ]
    )
    (tmp_path / "said").write_text(said)

    looked = a_mat2(tmp_path, f"/bin/cat {tmp_path}/said").inspect(a_file(tmp_path, b"tekst"), "brief.txt")

    value = "An[31mna " + "x" * 500
    assert detail_sentence("person", "Author", value[:200] + "…") == looked.lines[0]
    assert detail_sentence("other", "Odd0", "y") == looked.lines[1]
    assert "2" in looked.lines[13]
    assert 14 == len(looked.lines)


def test_thousands_of_lines_of_metadata_are_not_each_compared_with_all_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack: a picture of 600 KB with 33,000 lines of text, which took twelve seconds of our own process."""
    compared: list[int] = []

    class Counted(str):
        __slots__ = ()

        def __eq__(self, other: object) -> bool:
            compared.append(1)
            return str.__eq__(self, other)

        __hash__ = str.__hash__

    plain = metadata._plain
    monkeypatch.setattr(metadata, "_plain", lambda text: Counted(plain(text)))
    (tmp_path / "said").write_text("\n".join(f"Odd{at % 1000}: {at % 1000}" for at in range(2000)))

    looked = a_mat2(tmp_path, f"/bin/cat {tmp_path}/said").inspect(a_file(tmp_path, b"tekst"), "brief.txt")

    assert "987" in looked.lines[-1]  # of 999 that say something, 12 are shown
    assert len(compared) < 20_000  # in a list, a million
