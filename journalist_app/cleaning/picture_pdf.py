"""PDF file of pictures: each page is one picture of plain pixels, and the file has no metadata."""

import zlib
from collections.abc import Iterable
from typing import Final

from journalist_app.conversion.pixels import Picture

_SCALE: Final = 0.5  # points of a page for each pixel: 1,800 pixels give a page a little longer than A4


def pdf_of_pictures(pictures: Iterable[Picture]) -> bytes:
    """Return a PDF with these pictures as its pages."""
    parts, kids = [b"<</Type/Catalog/Pages 2 0 R>>", b""], []
    for picture in pictures:
        width, height = _SCALE * picture.width, _SCALE * picture.height
        number = len(parts) + 1
        kids.append(f"{number} 0 R")
        page = (
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 {width} {height}]/Contents {number + 1} 0 R"
            f"/Resources<</XObject<</P {number + 2} 0 R>>>>>>"
        )
        image = (
            f"/Type/XObject/Subtype/Image/Width {picture.width}/Height {picture.height}"
            "/ColorSpace/DeviceRGB/BitsPerComponent 8/Filter/FlateDecode"
        )
        drawing = f"{width} 0 0 {height} 0 0 cm /P Do".encode()
        parts += [page.encode(), _stream("", drawing), _stream(image, zlib.compress(picture.pixels))]
    parts[1] = f"<</Type/Pages/Count {len(kids)}/Kids[{' '.join(kids)}]>>".encode()
    return _file_of(parts)


def _stream(about: str, content: bytes) -> bytes:
    return f"<<{about}/Length {len(content)}>>stream\n".encode() + content + b"\nendstream"


def _file_of(parts: list[bytes]) -> bytes:
    # ISO 32000-1, 7.5: a header, objects, a table of their places, and a trailer
    made, places = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"), []
    for number, part in enumerate(parts, start=1):
        places.append(len(made))
        made += b"%d 0 obj\n%s\nendobj\n" % (number, part)
    start = len(made)
    made += b"xref\n0 %d\n0000000000 65535 f \n" % (len(parts) + 1)
    made += b"".join(b"%010d 00000 n \n" % place for place in places)
    made += b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(parts) + 1, start)
    return bytes(made)
