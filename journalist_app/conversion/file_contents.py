"""E-mail files, read with Python's standard library in the sandbox: headers, text, list of files."""

import os
from pathlib import Path
from typing import IO, Final

import msgspec

from journalist_app.conversion.conversion_limits import TEXT_BYTES
from journalist_app.conversion.converter_run import Converter
from journalist_app.errors import ConversionRefusal, ConversionRefusedError

_READER: Final = Path(__file__).with_name("read_contents.py")
_READ: Final = 'need /usr/bin/python3; /usr/bin/python3 -I -S -c "$1" 1 >out/1;'
_FILES: Final = 200  # that are listed


class FileContents(msgspec.Struct, frozen=True):
    """Content of an e-mail message: headers and files as pairs, and the text.

    `headers` has the English name and the value of each header that matters, `files` the name of each file
    and its size in bytes.
    """

    headers: tuple[tuple[str, str], ...]
    text: str
    files: tuple[tuple[str, int], ...]


def read_contents(converter: Converter, file: IO[bytes]) -> FileContents:
    """Return the headers that matter, the text, and the list of files of an e-mail message.

    Raises:
        ConversionRefusedError: the message is too large, or Python cannot read it.
    """
    if os.fstat(file.fileno()).st_size > TEXT_BYTES:
        raise ConversionRefusedError(ConversionRefusal.TOO_LARGE)
    (output,) = converter.run(_READ, [file], _READER.read_text("utf-8")).exactly(1)
    try:
        found = msgspec.json.decode(output, type=FileContents)
    except msgspec.MsgspecError as why:
        raise ConversionRefusedError(ConversionRefusal.FAILED) from why
    return msgspec.structs.replace(found, files=found.files[:_FILES])
