"""Texts and objects that no one sees on the slides of a presentation, found in what LibreOffice draws.

The colour of a text can come from a master slide, and the background from a picture. So only a drawing shows
which texts can be seen.
"""

from typing import IO, Final

import msgspec
from flask_babel import LazyString

from journalist_app.conversion.converter_run import Converter, memory_file
from journalist_app.conversion.office_documents import office_to
from journalist_app.errors import ConversionRefusedError
from journalist_app.files.metadata import HIDDEN_PARTS, PDF_PARTS
from journalist_app.files.metadata_sentences import detail_sentence

SLIDES: Final = frozenset({".pptx", ".odp", ".odg"})
_LOOK: Final = (
    'need /usr/bin/python3; /usr/bin/cp 1 "file$2"; /usr/bin/python3 -I -c "$1" $3 "file$2" >out/1;'
)
_KINDS: Final = {"hidden": "unseen", "beside": "beside", "outside": "outside", "unread": "unread"}


def findings_in_slides(converter: Converter, file: IO[bytes], ending: str) -> tuple[LazyString, ...]:
    """Return sentences about the texts and objects that no one sees on slides.

    If the slides cannot be drawn, a sentence says that something could not be examined.
    """
    try:
        found = _look(converter, office_to(converter, file, "pdf"), PDF_PARTS.read_text("utf-8"), ".pdf", "")
        if ending == ".pptx":  # of the other files, hidden_parts has examined the objects
            slides = office_to(converter, file, "odp")
            found += _look(converter, slides, HIDDEN_PARTS.read_text("utf-8"), ".odp", "look")
    except (ConversionRefusedError, msgspec.MsgspecError):
        found = [("unread", "1", "?")]
    return tuple(detail_sentence(_KINDS[kind], *words) for kind, *words in found if kind in _KINDS)


def _look(
    converter: Converter, content: bytes, program: str, ending: str, task: str
) -> list[tuple[str, str, str]]:
    with memory_file(content) as file:
        (output,) = converter.run(_LOOK, [file], program, ending, task).exactly(1)
    return [msgspec.json.decode(line, type=tuple[str, str, str]) for line in output.splitlines()]
