"""Comparison of the contents that a file and its cleaned copy show: pages, words, cells, pictures, sound."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from journalist_app.conversion.pixels import Picture

_BLOCK: Final = 4  # pixels of the side of a block, because a JPEG that is saved again has other noise
_FAINT: Final = 24  # of 255: largest difference between the averages of two blocks, for each colour
_COLOURS: Final = 3


class Difference(StrEnum):
    """Kind of content in which a copy differs from its original."""

    PAGES = "pages"
    WORDS = "words"
    CELLS = "cells"
    PICTURES = "pictures"
    SOUND = "sound"


@dataclass(frozen=True, slots=True)
class ShownContent:
    """Content that a file shows: pictures, words, cells and sound.

    The pictures are drawings of the file's pages, or the pictures of a picture file. `total` is the number
    of pages or pictures in the file.
    """

    pictures: tuple[Picture, ...] = field(default=(), repr=False)
    total: int = 0
    words: tuple[str, ...] = field(default=(), repr=False)
    cells: bytes = field(default=b"", repr=False)
    sound: bytes = field(default=b"", repr=False)


def find_difference(original: ShownContent, copy: ShownContent) -> Difference | None:
    """Return the first kind of content in which a copy differs from its original, or None.

    None means that there is no difference. Spaces and ends of lines between words do not count.
    """
    pages = [(each.total, len(each.pictures), len(each.words)) for each in (original, copy)]
    words = [[page.split() for page in each.words] for each in (original, copy)]
    pairs = zip(original.pictures, copy.pictures, strict=False)
    is_different = {
        Difference.PAGES: pages[0] != pages[1],
        Difference.WORDS: words[0] != words[1],
        Difference.CELLS: original.cells != copy.cells,
        Difference.SOUND: original.sound != copy.sound,
        Difference.PICTURES: not all(is_same_picture(*pair) for pair in pairs),
    }
    return next((kind for kind in Difference if is_different[kind]), None)


def is_same_picture(one: Picture, other: Picture) -> bool:
    """Return True if no one can see a difference between two pictures."""
    if one == other:
        return True
    if (one.width, one.height) != (other.width, other.height):
        return False
    columns, rows = -(-one.width // _BLOCK), -(-one.height // _BLOCK)
    return all(
        abs(here - there) <= _FAINT
        for row in range(rows)
        for here, there in zip(_averages(one, row, columns), _averages(other, row, columns), strict=True)
    )


def _averages(picture: Picture, row: int, columns: int) -> list[float]:
    """Return the average red, then green, then blue of each block of pixels in one row of blocks."""
    length = _COLOURS * picture.width
    start, end = row * _BLOCK * length, (row + 1) * _BLOCK * length
    lines = [picture.pixels[at : at + length] for at in range(start, min(end, len(picture.pixels)), length)]
    averages = []
    for colour in range(_COLOURS):
        sums = [sum(pixels) for pixels in zip(*(line[colour::_COLOURS] for line in lines), strict=True)]
        blocks = [sums[_BLOCK * column : _BLOCK * (column + 1)] for column in range(columns)]
        averages += [sum(block) / (len(block) * len(lines)) for block in blocks]
    return averages
