"""Texts that no one sees, and hidden parts of older office files, found in what LibreOffice makes of a file.

The colour of a text can come from a master slide, and the background from a picture. So only a drawing shows
which texts can be seen. In a spreadsheet, a drawing also cuts off long texts, so a spreadsheet is not drawn.
Office files from before 2007 are converted to a type that `hidden_parts` reads.
"""

from collections.abc import Iterator
from typing import IO, Final

import msgspec
from flask_babel import LazyString

from journalist_app.conversion.converter_run import Converter, memory_file
from journalist_app.conversion.office_documents import office_to
from journalist_app.errors import ConversionRefusedError
from journalist_app.files.file_types import OFFICE
from journalist_app.files.metadata import HIDDEN_PARTS, PDF_PARTS
from journalist_app.files.metadata_sentences import DETAILS, detail_sentence

_LOOK: Final = (
    'need /usr/bin/python3; /usr/bin/cp 1 "file$2"; /usr/bin/python3 -I -c "$1" $3 "file$2" >out/1;'
)
_ON_DRAWING: Final = {"hidden": "unseen", "beside": "beside", "unread": "unread"}
_IN_PPTX: Final = {"outside": "outside"}  # LibreOffice finds the place of each object
_IN_OLD: Final = {
    kind: kind for kind in DETAILS if kind not in {"custom", "thumbnail"}
}  # LibreOffice adds these


def find_unseen_parts(converter: Converter, file: IO[bytes], ending: str) -> tuple[LazyString, ...]:
    """Return sentences about those hidden parts of an office file that only LibreOffice finds.

    If LibreOffice cannot convert the file, a sentence says that something could not be examined.
    """
    try:
        found = list(_found(converter, file, ending))
    except (ConversionRefusedError, msgspec.MsgspecError):
        found = [("unread", "1", "?")]
    return tuple(dict.fromkeys(detail_sentence(*each) for each in found))


def _found(converter: Converter, file: IO[bytes], ending: str) -> Iterator[tuple[str, str, str]]:
    forms = OFFICE.get(ending, ())
    for form, content in zip(forms, office_to(converter, file, *forms) if forms else (), strict=True):
        is_drawing = form == "pdf"
        program, task = (PDF_PARTS, "") if is_drawing else (HIDDEN_PARTS, "look")
        kinds = _ON_DRAWING if is_drawing else _IN_PPTX if ending == ".pptx" else _IN_OLD
        with memory_file(content) as made:
            (output,) = converter.run(_LOOK, [made], program.read_text("utf-8"), f".{form}", task).exactly(1)
        for line in output.splitlines():
            kind, number, names = msgspec.json.decode(line, type=tuple[str, str, str])
            if kind in kinds:
                yield kinds[kind], number, names
