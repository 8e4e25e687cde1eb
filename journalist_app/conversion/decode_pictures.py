"""Program that decodes pictures in the sandbox: writes each picture of the files as plain pixels.

A photo is turned as its camera says. A picture that is larger than needed is made smaller, and what is
transparent becomes white. This program needs only Pillow, and is given to the sandbox as a text.
"""

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from PIL import Image, ImageOps, ImageSequence

_BITS_16 = 256  # a picture with 16 bits for each pixel becomes a picture with 8


def _decoded(path: str, side: int) -> Iterator[Image.Image]:
    with Image.open(path) as image:
        if getattr(image, "n_frames", 1) == 1:
            image.thumbnail((side, side))  # before all pixels of a large JPEG are decoded
        for frame in ImageSequence.Iterator(image):
            yield _plain(ImageOps.exif_transpose(frame.copy()), side)


def _plain(image: Image.Image, side: int) -> Image.Image:
    image.thumbnail((side, side))
    if image.mode.startswith("I"):
        image = image.point(lambda value: value / _BITS_16).convert("L")
    colours = image.convert("RGBA")
    paper = Image.new("RGBA", colours.size, "white")
    return Image.alpha_composite(paper, colours).convert("RGB")


def _decode(paths: list[str], side: int, pixels: int, most: int) -> str:
    """Write the pictures to out/1, out/2 …, and return how many there are, or the reason to refuse them."""
    Image.MAX_IMAGE_PIXELS = None  # every picture is checked here
    total = made = 0
    for path in paths:
        with Image.open(path) as image:
            if image.width * image.height > pixels:
                return "pixels"
            total += getattr(image, "n_frames", 1)
        for picture in islice(_decoded(path, side), most - made):
            made += 1
            picture.save(f"out/{made}", format="PPM")
    return str(total)


if __name__ == "__main__":
    Path("total").write_text(_decode(sys.argv[4:], *map(int, sys.argv[1:4])) + "\n")
