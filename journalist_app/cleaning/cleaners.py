"""Cleaned copies of files, made by programs in the sandbox. A copy must be compared before it is offered.

Our own program cleans office files, because mat2 0.13.3 leaves out parts that a page shows, such as the
numbers of lists, and moves tables. GdkPixbuf draws photos again, because mat2 forgets how the camera was
turned. ffmpeg cleans sound and video, and mat2 the other pictures.
"""

from typing import IO, Final

from journalist_app.conversion.converter_run import Converter
from journalist_app.files import metadata

_DRAWN: Final = {".jpg": "jpeg", ".png": "png", ".tiff": "tiff", ".bmp": "bmp"}  # names of GdkPixbuf
_BY_MAT2: Final = frozenset({".gif", ".heic", ".svg"})
PICTURES: Final = frozenset(_DRAWN) | _BY_MAT2
_RECORDED: Final = (
    {".m4a": "ipod", ".aac": "adts", ".wmv": "asf"}
    | {  # names of ffmpeg
        ending: ending[1:]
        for ending in (".mp3", ".ogg", ".flac", ".wav", ".amr", ".mp4", ".mov", ".3gp", ".avi")
    }
)
RECORDINGS: Final = frozenset(_RECORDED)

# $1 is the program hidden_parts, $2 the program that draws a picture, $3 the ending for the content of the
# file, and $4 the program's name for this type of file. mat2 finds no bubblewrap in bin/, so mat2 starts no
# sandbox of its own.
_BEGIN: Final = (
    "need /usr/bin/python3 /usr/bin/mat2; /usr/bin/mkdir -p bin; /usr/bin/ln -s /usr/bin/exiftool bin/;"
    " /usr/bin/cp 1 file$3; "
)
_CLEAN: Final = '/usr/bin/python3 -I -c "$1" clean file$3 out/1; '
_FINISH_DOCUMENT: Final = '/usr/bin/python3 -I -S -c "$1" final file$3 out/1; '
_CHECK_LINKS: Final = '/usr/bin/python3 -I -S -c "$1" links file$3 >out/1; '
_DRAW: Final = '/usr/bin/python3 -I -c "$2" file$3 out/1 $4; '
_COPY_STREAMS: Final = (
    "need /usr/bin/ffmpeg; /usr/bin/ffmpeg -v error -nostdin -i file$3 -map 0:V? -map 0:a? -codec copy"
    " -map_metadata -1 -map_metadata:s -1 -map_chapters -1 -fflags +bitexact -flags:v +bitexact"
    " -flags:a +bitexact -f $4 out/1 </dev/null; "
)
_DRAWING_PROGRAM: Final = (
    "import sys, gi; gi.require_version('GdkPixbuf', '2.0'); from gi.repository import GdkPixbuf;"
    " options = {'quality': '92'} if sys.argv[3] == 'jpeg' else {};"
    " picture = GdkPixbuf.Pixbuf.new_from_file(sys.argv[1]).apply_embedded_orientation();"
    " picture.savev(sys.argv[2], sys.argv[3], list(options), list(options.values()))"
)


def make_cleaned_copy(converter: Converter, file: IO[bytes], ending: str) -> bytes:
    """Return a file's cleaned copy, which has no metadata and no hidden parts.

    `ending` is an ending in `DOCUMENTS`, `PICTURES` or `RECORDINGS` that fits the content, such as ".jpg".

    Raises:
        ConversionRefusedError: the program for this type of file is not installed, or cannot clean the file.
    """
    if ending in _DRAWN:
        return _run(converter, _DRAW, file, ending, _DRAWN[ending])
    if ending in _RECORDED:
        return _run(converter, _COPY_STREAMS, file, ending, _RECORDED[ending])
    return _run(converter, _CLEAN, file, ending)


def make_final_copy(converter: Converter, file: IO[bytes], ending: str) -> bytes:
    """Return a copy of an office file that shows its text as if the tracked changes were accepted.

    The copy still has the metadata and hidden parts of the original.

    Raises:
        ConversionRefusedError: the file is damaged.
    """
    return _run(converter, _FINISH_DOCUMENT, file, ending)


def has_broken_links(converter: Converter, file: IO[bytes], ending: str) -> bool:
    """Return True if a relationship or a list in an office file refers to a missing part.

    Raises:
        ConversionRefusedError: the file is damaged.
    """
    return _run(converter, _CHECK_LINKS, file, ending) != b""


def _run(converter: Converter, script: str, file: IO[bytes], ending: str, form: str = "") -> bytes:
    hidden_parts = metadata.HIDDEN_PARTS.read_text("utf-8")
    (made,) = converter.run(_BEGIN + script, [file], hidden_parts, _DRAWING_PROGRAM, ending, form).exactly(1)
    return made
