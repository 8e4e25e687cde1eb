"""E-mail messages, web pages and zip archives, read with Python in the sandbox."""

import os
from pathlib import Path
from typing import IO, Final

import msgspec

from journalist_app.conversion.conversion_limits import TEXT_BYTES
from journalist_app.conversion.converter_run import Converter
from journalist_app.errors import ConversionRefusal, ConversionRefusedError

_READER: Final = Path(__file__).with_name("read_contents.py")
_READ: Final = 'need /usr/bin/python3; /usr/bin/python3 -I -S -c "$1" 1 $2 >out/1;'


class FileContents(msgspec.Struct, frozen=True):
    """Contents of an e-mail message, a web page or an archive.

    `headers` has the English name and the value of each header that matters. `files` lists files inside, with
    their sizes in bytes. `total` is the number of all files inside, listed or not.
    """

    headers: tuple[tuple[str, str], ...]
    text: str
    files: tuple[tuple[str, int], ...]
    total: int


def read_contents(converter: Converter, file: IO[bytes], ending: str) -> FileContents:
    """Return the headers, the text and the list of files of an e-mail message, a web page or an archive.

    `ending` is the usual ending for the content of the file: .eml, .msg, .html or .zip.

    Raises:
        ConversionRefusedError: the file is too large, or Python cannot read it.
    """
    if ending != ".zip" and os.fstat(file.fileno()).st_size > TEXT_BYTES:
        raise ConversionRefusedError(ConversionRefusal.TOO_LARGE)
    (output,) = converter.run(_READ, [file], _READER.read_text("utf-8"), ending).exactly(1)
    try:
        return msgspec.json.decode(output, type=FileContents)
    except msgspec.MsgspecError as why:
        raise ConversionRefusedError(ConversionRefusal.FAILED) from why
