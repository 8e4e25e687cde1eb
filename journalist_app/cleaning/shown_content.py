"""Content that files show, which a second program in the sandbox reads from the original and its copy.

LibreOffice draws office documents, Pillow and libheif decode pictures, ffmpeg decodes sound and video, and
poppler reads the copies that consist of pictures.
"""

import hashlib
from collections.abc import Sequence
from typing import IO, Final

from journalist_app.cleaning.same_content import ShownContent
from journalist_app.conversion import office_documents, pdf_documents, picture_files
from journalist_app.conversion.conversion_limits import PAGES
from journalist_app.conversion.converter_run import Converter, memory_file
from journalist_app.conversion.pixels import Picture
from journalist_app.errors import ConversionRefusal, ConversionRefusedError

SHEETS: Final = frozenset({".xlsx", ".ods"})
_SIDE: Final = 600  # pixels: enough to see that a line is missing, and fast to compare
# The streams of video (without the small pictures of a cover) and of sound, each decoded from start to end.
_DIGESTS: Final = (
    "need /usr/bin/ffmpeg; for each in 1 2; do /usr/bin/ffmpeg -v error -nostdin -i $each -map 0:V? -map 0:a?"
    " -f streamhash -hash sha256 out/$each </dev/null; done;"
)
_PICTURE_DIGESTS: Final = (
    "need /usr/bin/pdfimages; /usr/bin/mkdir all; /usr/bin/pdfimages 1 all/p;"
    " for each in all/*; do set -- $(/usr/bin/sha256sum $each); echo $1; done >out/1;"
)


def shown_by_documents(converter: Converter, files: Sequence[IO[bytes]], ending: str) -> list[ShownContent]:
    """Return the pages, words and cells that office documents show.

    Raises:
        ConversionRefusedError: a document cannot be converted to PDF, or has too many pages.
    """
    made = office_documents.office_to_pdf(converter, files)
    cells = office_documents.cells_of_sheets(converter, files) if ending in SHEETS else [b""] * len(files)
    return [_shown_by_pdf(converter, *each) for each in zip(made, cells, strict=True)]


def _shown_by_pdf(converter: Converter, pdf: bytes, cells: bytes) -> ShownContent:
    with memory_file(pdf) as file:
        pages = count_few_pages(converter, file)
        words = pdf_documents.words_of_pages(converter, file, pages)
        return ShownContent(
            pdf_documents.pictures_of_pages(converter, file, pages, _SIDE), pages, words, cells
        )


def count_few_pages(converter: Converter, file: IO[bytes]) -> int:
    """Return the number of pages of a PDF.

    Raises:
        ConversionRefusedError: the PDF is damaged or locked with a password, or has too many pages.
    """
    pages = pdf_documents.count_pages(converter, file)
    if pages > PAGES:
        raise ConversionRefusedError(ConversionRefusal.LIMIT)
    return pages


def shown_by_pictures(converter: Converter, files: Sequence[IO[bytes]], ending: str) -> list[ShownContent]:
    """Return the pictures that picture files show, rotated as their metadata says.

    Raises:
        ConversionRefusedError: a picture cannot be decoded.
    """
    return [decode_all(converter, file, ending, _SIDE) for file in files]


def decode_all(converter: Converter, file: IO[bytes], ending: str, side: int) -> ShownContent:
    """Return all pictures of a file, shrunk so that the longer side of each has at most `side` pixels.

    Raises:
        ConversionRefusedError: a picture cannot be decoded, or the file has too many pictures.
    """
    found = picture_files.decode_file(converter, file, ending, side=side)
    if found.total != len(found.pictures):
        raise ConversionRefusedError(ConversionRefusal.LIMIT)
    return ShownContent(found.pictures, found.total)


def heard_in_recordings(converter: Converter, original: IO[bytes], copy: IO[bytes]) -> list[ShownContent]:
    """Return the digests of the decoded sound and video of two recordings.

    Raises:
        ConversionRefusedError: ffmpeg is not installed, or cannot decode a recording.
    """
    return [ShownContent(sound=each) for each in converter.run(_DIGESTS, [original, copy]).exactly(2)]


def has_pictures(converter: Converter, pdf: IO[bytes], pictures: Sequence[bytes]) -> bool:
    """Return True if each page of a PDF is one picture, and the pictures have these digests, in page order.

    Raises:
        ConversionRefusedError: poppler cannot read the PDF.
    """
    (found,) = converter.run(_PICTURE_DIGESTS, [pdf]).exactly(1)
    digests = [each.hex().encode() for each in pictures]
    return found.split() == digests and pdf_documents.count_pages(converter, pdf) == len(pictures)


def digest_of_picture(picture: Picture) -> bytes:
    """Return the SHA-256 digest of the PPM file that pdfimages writes for a picture."""
    return hashlib.sha256(f"P6\n{picture.width} {picture.height}\n255\n".encode() + picture.pixels).digest()
