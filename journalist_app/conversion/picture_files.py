"""Conversion of photos and other pictures to pixels, with Debian's Pillow and libheif in the sandbox."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from journalist_app.conversion.conversion_limits import DECODED_PIXELS, PICTURE_SIDE, PICTURES
from journalist_app.conversion.converter_run import Converter
from journalist_app.conversion.pixels import Picture, read_ppm

_DECODER: Final = Path(__file__).with_name("decode_pictures.py")
# $1 is the program, $2 the longer side in pixels, $3 a limit, $4 the first picture, and $5 how many.
_DECODE: Final = (
    "need /usr/bin/python3; /usr/bin/python3 -I -c 'import PIL' || refuse missing;"
    ' /usr/bin/python3 -I -c "$1" $2 $3 $4 $5 {files};'
    " read -r total <total || :; case $total in pixels) refuse pixels;; esac;"
)
# A HEIC or AVIF file with several pictures gives heic-1.png, heic-2.png …
_HEIC: Final = "need /usr/bin/heif-convert; /usr/bin/heif-convert 1 heic.png >messages;"
_HEIC_ENDINGS: Final = frozenset({".heic", ".avif"})


@dataclass(frozen=True, slots=True)
class DecodedPictures:
    """Pictures of one file, how many pictures the file has in total, and the programs that decoded them."""

    pictures: tuple[Picture, ...] = field(repr=False)
    total: int
    programs: tuple[str, ...]


def decode_file(  # noqa: PLR0913  # which pictures, and how large
    converter: Converter,
    file: IO[bytes],
    ending: str,
    *,
    side: int = PICTURE_SIDE,
    first: int = 1,
    most: int = PICTURES,
) -> DecodedPictures:
    """Return the pictures of a file, rotated as the metadata of the file says.

    The longer side of a picture has at most `side` pixels. `ending` fits the content of the file, such as
    ".jpg". Decoding starts at picture `first`, counted from 1, and ends after `most` pictures.

    Raises:
        ConversionRefusedError: a picture is damaged or has too many pixels, or a program is not installed.
    """
    is_heic = ending in _HEIC_ENDINGS
    script = (_HEIC if is_heic else "") + _DECODE.format(files="heic*.png" if is_heic else "1")
    program = _DECODER.read_text("utf-8")
    found = converter.run(script, [file], program, side, DECODED_PIXELS, first, most)
    programs = ("libheif", "Pillow") if is_heic else ("Pillow",)
    return DecodedPictures(tuple(map(read_ppm, found.results)), found.total, programs)
