"""Limits on what a converter of files may use and return."""

from typing import Final

from programs.runner import ProgramLimits

SECONDS: Final = 90.0  # of one run; LibreOffice starts in a second
_MEMORY_BYTES: Final = 2_000_000_000
OUTPUT_BYTES: Final = 200_000_000  # of one run: a PDF of LibreOffice, or the pixels of some pictures
_PROCESSES: Final = 64  # a program can have a thread for each core

PAGES: Final = 200  # that are shown of a document
PICTURES: Final = 50  # that are shown of one file, such as the pages of a fax in TIFF
PICTURE_SIDE: Final = 1_800  # pixels of the longer side; an A4 page then has 154 dots per inch
DECODED_PIXELS: Final = 200_000_000  # of a picture in a file; the largest cameras of phones have as many


def limits_of_run(seconds: float) -> ProgramLimits:
    """Return the limits on one run of a converter that may take this long."""
    return ProgramLimits(seconds, _MEMORY_BYTES, OUTPUT_BYTES, OUTPUT_BYTES, _PROCESSES)
