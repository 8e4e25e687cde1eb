"""Program that decodes pictures in the sandbox: writes each picture of the files as plain pixels.

A photo is turned as its camera says. A picture that is larger than needed is made smaller, and what is
transparent becomes white. This program needs only Pillow, and is given to the sandbox as a text.
"""

import sys
from pathlib import Path

from PIL import Image, ImageOps

_BITS_16 = 256  # a picture with 16 bits for each pixel becomes a picture with 8


def _decoded(path: str, frame: int, side: int, pixels: int) -> Image.Image | None:
    with Image.open(path) as opened:
        opened.seek(frame)
        if opened.width * opened.height > pixels:
            return None
        if frame == 0:
            opened.draft("RGB", (side, side))  # all pixels of a large JPEG are not needed
        image = ImageOps.exif_transpose(opened)
    image.thumbnail((side, side))
    if image.mode.startswith("I"):
        image = image.point(lambda value: value / _BITS_16).convert("L")
    colours = image.convert("RGBA")
    paper = Image.new("RGBA", colours.size, "white")
    return Image.alpha_composite(paper, colours).convert("RGB")


def _decode(paths: list[str], side: int, pixels: int, first: int, most: int) -> str:
    """Write decoded pictures to out/1, out/2 and so on, and return the number of pictures in the files.

    If a picture is too large, return "pixels".
    """
    Image.MAX_IMAGE_PIXELS = None  # every picture is checked here
    frames = []
    for path in paths:
        with Image.open(path) as image:
            frames += [(path, number) for number in range(getattr(image, "n_frames", 1))]
    for number, (path, frame) in enumerate(frames[first - 1 : first - 1 + most], start=1):
        picture = _decoded(path, frame, side, pixels)
        if picture is None:
            return "pixels"
        picture.save(f"out/{number}", format="PPM")
    return str(len(frames))


if __name__ == "__main__":
    Path("total").write_text(_decode(sys.argv[5:], *map(int, sys.argv[1:5])) + "\n")
