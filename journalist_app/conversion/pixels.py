"""Pictures as plain pixels, which a sandboxed converter made, and PNG files of these pictures.

A hijacked converter could return a file that attacks the browser. So a converter returns only pixels, and our
own code writes the PNG file.
"""

import re
import struct
import zlib
from dataclasses import dataclass, field
from typing import Final

from journalist_app.errors import ConversionRefusal, ConversionRefusedError

_PPM: Final = re.compile(rb"P6\s(\d{1,5})\s(\d{1,5})\s255\s")
_BYTES_PER_PIXEL: Final = 3
_LEVEL: Final = 6  # of compression: level 9 takes three times as long


@dataclass(frozen=True, slots=True)
class Picture:
    """Picture of plain pixels: three bytes (red, green, blue) for each pixel, row by row."""

    width: int
    height: int
    pixels: bytes = field(repr=False)

    def png(self) -> bytes:
        """Return the picture as a PNG file."""
        row = _BYTES_PER_PIXEL * self.width
        rows = b"".join(
            b"\0" + self.pixels[at : at + row] for at in range(0, len(self.pixels), row)
        )  # each row begins with its filter: none
        # PNG specification, 11.2.2: eight bits for each of three colours
        head = struct.pack(">IIBBBBB", self.width, self.height, 8, 2, 0, 0, 0)
        chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows, _LEVEL)), (b"IEND", b""))
        return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*each) for each in chunks)


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def read_ppm(raw: bytes) -> Picture:
    """Read a PPM file, the simplest format of pixels, as a picture.

    Raises:
        ConversionRefusedError: the bytes are not exactly one picture.
    """
    head = _PPM.match(raw)
    if head:
        width, height, pixels = int(head[1]), int(head[2]), raw[head.end() :]
        if 0 < width * height * _BYTES_PER_PIXEL == len(pixels):
            return Picture(width, height, pixels)
    raise ConversionRefusedError(ConversionRefusal.FAILED)
