"""Files of every kind for the tests of converters, and replaced sandboxes."""

import zipfile
from io import BytesIO
from pathlib import Path

from PIL import Image

from journalist_app.conversion.converter_run import Converter, memory_file
from journalist_app.conversion.file_pages import FilePages, ShownPage, convert_file

OPENLY = Converter(Path(__file__).parents[1] / "files/no_isolation.sh")


def a_converter(room: Path, script: str) -> Converter:
    """Write a script that replaces the sandbox with its converter."""
    program = room / "program"
    program.write_text("#!/bin/sh\n" + script)
    program.chmod(0o700)
    return Converter(program)


def an_image(form: str, size: tuple[int, int] = (48, 32), **options: object) -> bytes:
    """Make a picture with a red left half and a blue right half."""
    image = Image.new("RGB", size, "blue")
    image.paste("red", (0, 0, size[0] // 2, size[1]))
    made = BytesIO()
    image.save(made, format=form, **options)
    return made.getvalue()


def a_small_pdf(pages: int) -> bytes:
    """Make a PDF with this many empty pages, each of 200 by 100 points."""
    kids = " ".join(f"{number} 0 R" for number in range(3, pages + 3))
    parts = ["<</Type/Catalog/Pages 2 0 R>>", f"<</Type/Pages/Count {pages}/Kids[{kids}]>>"]
    parts += ["<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 100]>>"] * pages
    made = bytearray(b"%PDF-1.4\n")
    places = []
    for number, part in enumerate(parts, start=1):
        places.append(len(made))
        made += b"%d 0 obj%sendobj\n" % (number, part.encode())
    start = len(made)
    made += b"xref\n0 %d\n0000000000 65535 f \n" % (len(parts) + 1)
    made += b"".join(b"%010d 00000 n \n" % place for place in places)
    made += b"trailer<</Root 1 0 R/Size %d>>\nstartxref\n%d\n%%%%EOF\n" % (len(parts) + 1, start)
    return bytes(made)


def a_letter(*, body: str = "<text:p>Dear adviser</text:p>") -> bytes:
    """Make a text document (ODT) with this body."""
    made = BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.text", zipfile.ZIP_STORED)
        archive.writestr(
            "META-INF/manifest.xml",
            '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
            '<manifest:file-entry manifest:full-path="/"'
            ' manifest:media-type="application/vnd.oasis.opendocument.text"/>'
            '<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/>'
            "</manifest:manifest>",
        )
        archive.writestr(
            "content.xml",
            '<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"'
            ' xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"'
            ' xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0"'
            ' xmlns:xlink="http://www.w3.org/1999/xlink" office:version="1.2">'
            f"<office:body><office:text>{body}</office:text></office:body></office:document-content>",
        )
    return made.getvalue()


def pages_of(converter: Converter, content: bytes) -> tuple[FilePages, list[ShownPage]]:
    """Convert a whole file."""
    with memory_file(content) as file:
        found = convert_file(converter, file)
        return found, [found.page(number) for number in range(1, found.count + 1)]
