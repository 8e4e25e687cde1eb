"""Limits on what a converter of files may use and return."""

from typing import Final

from programs.runner import ProgramLimits

SECONDS: Final = 90.0  # of one run; LibreOffice starts in a second
_MEMORY_BYTES: Final = 2_000_000_000
OUTPUT_BYTES: Final = 200_000_000  # of one run: a PDF of LibreOffice, or the pixels of some pictures
_PROCESSES: Final = 64  # a program can have a thread for each core

PAGES: Final = 200  # that are shown of a document
PICTURES: Final = 50  # that are shown of one file, such as the pages of a fax in TIFF
FILES: Final = 200  # of an e-mail message or an archive that are listed on one page
PICTURE_SIDE: Final = 1_800  # pixels of the longer side; an A4 page then has 154 dots per inch
DECODED_PIXELS: Final = 200_000_000  # of a picture in a file; the largest cameras of phones have as many


def limits_of_run(seconds: float) -> ProgramLimits:
    """Return the limits on a converter that may run for this many seconds."""
    return ProgramLimits(seconds, _MEMORY_BYTES, OUTPUT_BYTES, OUTPUT_BYTES, _PROCESSES)


SOUND_SECONDS: Final = 300  # of sound on one page: 10 MB
SOUND_RATE: Final = 16_000  # samples a second, enough for speech
SOUND_PAGES: Final = 36  # three hours
STILLS: Final = 40  # pictures that are shown of a film
STILL_SECONDS: Final = 5  # at least this long between two pictures of a film

TEXT_CHARS: Final = 10_000  # about as many are on one page of a text
TEXT_BYTES: Final = 20_000_000  # of a text, a web page or an e-mail message

FILE_BYTES: Final = 200_000_000  # of a file that is copied into memory to be converted
FILE_SECONDS: Final = 180.0  # for all pages of a file; while they are converted, the app stays unlocked
CACHE_BYTES: Final = 300_000_000  # of all converted pages together
