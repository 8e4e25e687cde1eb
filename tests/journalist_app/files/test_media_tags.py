"""Tags of pictures, sound and video: each kind of tag is told, also the second of two values."""

import subprocess
from pathlib import Path

import pytest
from PIL import Image

from journalist_app.files.metadata import Mat2
from journalist_app.files.metadata_sentences import detail_sentence
from tests.journalist_app.files.file_factories import AUTHOR, an_m4a, an_mov, an_mp3, an_mp4

pytestmark = pytest.mark.slow  # runs exiftool and mat2 for each format

OPENLY = Mat2(bwrap=Path(__file__).with_name("no_isolation.sh"))
EXIF = (
    ("person", "Artist", "Ans"),
    ("device", "Model", "Toestel 9"),
    ("device", "SerialNumber", "S-123"),
    ("time", "DateTimeOriginal", "2026:03:02 09:10:11"),
    ("place", "GPSLatitude", "52 deg 4' 48.00\""),
    ("thumbnail", "", ""),
)
XMP = (("person", "Artist", "Bas"), ("person", "Creator", "Cas"), ("device", "CreatorTool", "Programma"))
IPTC = (("person", "By-line", "Dirk"), ("place", "City", "Ede"), ("other", "Keywords", "een, twee"))
WRITTEN = [
    "-EXIF:Artist=Ans", "-EXIF:Model=Toestel 9", "-EXIF:SerialNumber=S-123", "-EXIF:GPSLatitude=52.08",
    "-EXIF:DateTimeOriginal=2026:03:02 09:10:11", "-XMP-tiff:Artist=Bas", "-XMP-dc:Creator=Cas",
    "-XMP-xmp:CreatorTool=Programma", "-IPTC:By-line=Dirk", "-IPTC:City=Ede", "-IPTC:Keywords=een",
    "-IPTC:Keywords=twee",
]  # fmt: skip


def run(*words: str | Path) -> None:
    subprocess.run(words, check=True, capture_output=True)


def a_picture_with_every_tag(room: Path, ending: str) -> Path:
    """Write a picture with all tags that its format can have, and a smaller picture inside."""
    path, small = room / f"foto.{ending}", room / "klein.jpg"
    picture = Image.linear_gradient("L").convert("RGB").resize((48, 32))
    picture.resize((24, 16)).save(small)
    if ending == "heic":
        picture.save(room / "foto.png")
        run("heif-enc", room / "foto.png", "-o", path)
    elif ending == "tiff":
        picture.save(path, save_all=True, append_images=[picture.resize((24, 16))])
    else:
        picture.save(path)
    run("exiftool", "-m", "-overwrite_original", *WRITTEN, f"-ThumbnailImage<={small}", path)
    return path


def told(path: Path, findings: tuple[tuple[str, str, str], ...]) -> list[tuple[str, str, str]]:
    """Return the findings that are among the sentences about a file."""
    with path.open("rb", buffering=0) as file:
        lines = [str(line) for line in OPENLY.inspect(file, path.name).lines]
    sentences = {each: str(detail_sentence(*each)).rstrip('"') for each in findings}
    return [each for each, sentence in sentences.items() if any(line.startswith(sentence) for line in lines)]


@pytest.mark.parametrize(
    ("ending", "findings"),
    [
        ("jpg", EXIF + XMP + IPTC),
        ("png", EXIF + XMP + IPTC),
        ("tiff", EXIF + XMP + IPTC),
        ("webp", EXIF + XMP),  # these two formats have no IPTC
        ("heic", EXIF + XMP),
    ],
)
def test_every_kind_of_tag_of_a_picture_is_told(
    tmp_path: Path, ending: str, findings: tuple[tuple[str, str, str], ...]
) -> None:
    assert list(findings) == told(a_picture_with_every_tag(tmp_path, ending), findings)


@pytest.mark.parametrize(("ending", "make"), [("mp4", an_mp4), ("m4a", an_m4a), ("mov", an_mov)])
def test_tags_of_two_kinds_in_one_film_or_sound_are_told(tmp_path: Path, ending: str, make: object) -> None:
    path = tmp_path / f"film.{ending}"
    assert callable(make)
    path.write_bytes(make())
    run("exiftool", "-m", "-overwrite_original", "-XMP-dc:Creator=Cas", "-Keys:Author=Ans", path)
    findings = (("person", "Creator", "Cas"), ("person", "Author", "Ans"))

    assert list(findings) == told(path, findings)


@pytest.mark.parametrize(
    ("ending", "findings"),
    [
        ("mp4", (("timed", "Text", "GPS (8.6499"),)),
        ("mov", (("timed", "GPSLatitude", "53 deg 9' 59"), ("timed", "GPSLongitude", "8 deg 38' 59"))),
    ],
)
def test_the_places_that_a_film_notes_for_each_moment_are_told(
    tmp_path: Path, ending: str, findings: tuple[tuple[str, str, str], ...]
) -> None:
    path, notes = tmp_path / f"film.{ending}", tmp_path / "notes.srt"
    notes.write_text("1\n00:00:00,000 --> 00:00:01,000\nGPS (8.6499, 53.1665, 18), D 24.26m\n")
    film = ["-f", "lavfi", "-i", "testsrc=size=64x48:rate=5:duration=1", "-c:v", "mpeg4"]
    run("ffmpeg", "-i", notes, *film, "-c:s", "mov_text", path)

    assert list(findings) == told(path, findings)


def test_old_and_new_tags_of_one_sound_are_told(tmp_path: Path) -> None:
    path = tmp_path / "stem.mp3"
    path.write_bytes(
        an_mp3() + b"TAG" + b"Titel".ljust(30, b"\0") + b"Oude Naam".ljust(30, b"\0") + bytes(65)
    )
    findings = (("person", "Artist", AUTHOR), ("person", "Artist", "Oude Naam"), ("thumbnail", "", ""))

    assert list(findings) == told(path, findings)
