import struct
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from journalist_app.files.file_types import ending_of_file, with_file_ending


def a_zip(*names: str) -> bytes:
    made = BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name in names:
            archive.writestr(name, "application/vnd.oasis.opendocument.text" if name == "mimetype" else "")
    return made.getvalue()


def an_ole_file(stream: str, sector: int = 40) -> bytes:
    """Make a file of an older office program, in which the directory is far from the start."""
    made = bytearray(512 * 60)
    made[:8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    struct.pack_into("<H", made, 30, 9)
    struct.pack_into("<I", made, 48, sector)
    made[512 * 41 :] = stream.encode("utf-16-le").ljust(512 * 19, b"\0")
    return bytes(made)


@pytest.mark.parametrize(
    ("first", "ending"),
    [
        (b"\xff\xd8\xff\xe0", ".jpg"),
        (b"%PDF-1.7\n", ".pdf"),
        (a_zip("[Content_Types].xml", "word/document.xml"), ".docx"),
        (a_zip("mimetype", "content.xml"), ".odt"),
        (a_zip("photo.jpg"), ".zip"),
        (a_zip("%PDF-1.7"), ".zip"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", ".webp"),
        (b"7z\xbc\xaf\x27\x1c", ".7z"),
        (b'<?xml version="1.0"?><svg>', ".svg"),
        (b"<!DOCTYPE html><html><svg>", ".html"),
        (b"From: a@example.org\nTo: b@example.org\n c@example.org\nDate: Mon, 2 Mar 2026\n\nhi\n", ".eml"),
        (b"From: the department\nSubject: no date, so not an e-mail\n", ".txt"),
        (a_zip("[Content_Types].xml", "password/list"), ".zip"),
        (b"#!AMR\n", ".amr"),
        (b"\x00\x00\x00\x18ftypisom", ".mp4"),
        ("Beste adviseur, één vraag.\r\n".encode(), ".txt"),
        (b"a" * 4095 + "é".encode(), ".txt"),
        (b"text and \x00", ""),
        (b"\xfe\xfftext", ""),
    ],
)
def test_a_name_without_an_ending_gets_the_ending_of_the_files_content(first: bytes, ending: str) -> None:
    assert f"photo{ending}" == with_file_ending("photo", first)


def test_a_name_with_an_ending_does_not_change() -> None:
    assert [with_file_ending(name, b"%PDF-") for name in ("photo.jpg", ".profile", "photo.")] == [
        "photo.jpg",
        ".profile.pdf",
        "photo..pdf",
    ]


@pytest.mark.parametrize(
    ("content", "ending"),
    [
        (b"", ".txt"),
        (a_zip("[Content_Types].xml", "word/document.xml"), ".docx"),
        (
            a_zip("[Content_Types].xml", *(f"media/{number}" for number in range(200)), "ppt/slide1.xml"),
            ".pptx",
        ),
        (a_zip(*(f"photos/{number}" for number in range(200))), ".zip"),
        (an_ole_file("WordDocument"), ".doc"),
        (an_ole_file("EncryptedPackage"), ".doc"),  # an office document with a password
        (an_ole_file("Workbook"), ".xls"),
        (an_ole_file("PowerPoint Document"), ".ppt"),
        (an_ole_file("__substg1.0_0037001F"), ".msg"),
        (an_ole_file("Contents"), ""),
        (an_ole_file("WordDocument", sector=0xFFFFFFFE), ""),
    ],
)
def test_the_content_of_a_whole_file_shows_its_type(tmp_path: Path, content: bytes, ending: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)

    with path.open("rb") as file:
        assert ending == ending_of_file(file)
