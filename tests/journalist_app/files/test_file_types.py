import zipfile
from io import BytesIO

import pytest

from journalist_app.files.file_types import with_file_ending


def a_zip(*names: str) -> bytes:
    made = BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name in names:
            archive.writestr(name, "application/vnd.oasis.opendocument.text" if name == "mimetype" else "")
    return made.getvalue()


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
        (b"<!DOCTYPE html><html><svg>", ".txt"),
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
