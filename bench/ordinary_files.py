"""Ten ordinary files, as sources send them: letters, lists, a talk, a photo, a screenshot and a voice."""

import random
import subprocess
import wave
from pathlib import Path
from typing import Final

from PIL import ExifTags, Image

from bench.fill import made_up_word

_SPACES: Final = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{space}:1.0"'
    for name, space in (each.split("=") for each in (
        "office=office", "text=text", "table=table", "draw=drawing", "svg=svg-compatible"
    ))
)  # fmt: skip
_LETTER, _REPORT, _SLIDES, _ROWS = 15, 180, 12, 500  # paragraphs, paragraphs (30 pages), slides, rows
_PHOTO, _SCREEN = (4_000, 3_000), (1_920, 1_080)
_HERTZ, _SECONDS = 16_000, 60


def make_files(folder: Path) -> list[Path]:
    """Write ten files in a folder. LibreOffice makes the documents, so they have the parts of real ones."""
    chance = random.Random(10)  # noqa: S311  # the same files each time
    letter = "".join(f"<text:p>{_sentences(chance)}</text:p>" for _ in range(_LETTER))
    report = "".join(f"<text:p>{_sentences(chance)}</text:p>" for _ in range(_REPORT))
    rows = "".join(f"<table:table-row>{_cells(chance)}</table:table-row>" for _ in range(_ROWS))
    slides = "".join(f"<draw:page>{_box(chance)}</draw:page>" for _ in range(_SLIDES))
    _photo(folder / "photo.jpg")
    Image.effect_noise(_SCREEN, 8).convert("RGB").save(folder / "screen.png")
    with wave.open(str(folder / "voice.wav"), "wb") as sound:
        sound.setparams((1, 2, _HERTZ, 0, "NONE", ""))
        sound.writeframes(chance.randbytes(2 * _HERTZ * _SECONDS))
    documents = [
        *_documents(folder, "letter", "text", letter, "docx odt pdf"),
        *_documents(folder, "report", "text", report, "pdf"),
        *_documents(folder, "list", "spreadsheet", f"<table:table>{rows}</table:table>", "xlsx ods"),
        *_documents(folder, "talk", "presentation", slides, "pptx"),
    ]
    return [*documents, *(folder / name for name in ("photo.jpg", "screen.png", "voice.wav"))]


def _documents(folder: Path, name: str, kind: str, body: str, endings: str) -> list[Path]:
    flat = folder / f"{name}.fod{kind[0]}"
    flat.write_text(
        f'<?xml version="1.0"?><office:document {_SPACES}'
        f' office:mimetype="application/vnd.oasis.opendocument.{kind}"'
        f' office:version="1.2"><office:body><office:{kind}>{body}</office:{kind}></office:body>'
        "</office:document>",
        "utf-8",
    )
    profile = f"-env:UserInstallation={(folder / 'profile').as_uri()}"
    for ending in endings.split():
        argv = ["soffice", profile, "--headless", "--convert-to", ending, "--outdir", str(folder)]
        subprocess.run([*argv, str(flat)], check=True, capture_output=True)
    return [folder / f"{name}.{ending}" for ending in endings.split()]


def _sentences(chance: random.Random) -> str:
    return ". ".join(" ".join(made_up_word(chance.randrange(5_000)) for _ in range(12)) for _ in range(8))


def _cells(chance: random.Random) -> str:
    words = (made_up_word(chance.randrange(5_000)) for _ in range(8))
    return "".join(
        f'<table:table-cell office:value-type="string"><text:p>{word}</text:p></table:table-cell>'
        for word in words
    )


def _box(chance: random.Random) -> str:
    place = 'svg:width="20cm" svg:height="12cm" svg:x="2cm" svg:y="2cm"'
    text = f"<text:p>{_sentences(chance)[:300]}</text:p>"
    return f"<draw:frame {place}><draw:text-box>{text}</draw:text-box></draw:frame>"


def _photo(path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "made up"
    Image.effect_noise((_PHOTO[0] // 4, _PHOTO[1] // 4), 60).resize(_PHOTO).convert("RGB").save(
        path, exif=exif
    )
