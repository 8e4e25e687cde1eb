"""Sentences about the copy of a file that is offered, and why no other is, in the adviser's language."""

from collections.abc import Mapping, Sequence
from typing import Final

from flask_babel import LazyString, lazy_gettext

from journalist_app.cleaning.same_content import Difference
from journalist_app.errors import ConversionRefusal
from journalist_app.files.file_types import ARCHIVES

CLEANED: Final = lazy_gettext(
    "The app made a cleaned copy, opened the copy with another program, and compared the copy with the "
    "original. Both show the same. The app found no hidden information in the copy."
)
LINKS: Final = lazy_gettext(
    "The app offers no cleaned copy: in the copy, a part of the file was missing, so another program could "
    "refuse the copy."
)
NO_ROOM: Final = lazy_gettext(
    "The app could not store a copy of this file: the mailbox or the storage of the desk has no room for the "
    "copy."
)

# Types of files of which no cleaned copy is made, by the ending of their names.
_TEXT: Final = lazy_gettext(
    "This is a plain text, so a cleaned copy is not needed. A plain text contains only what you can read: "
    "read the whole text before you pass it on."
)
_MAIL: Final = lazy_gettext(
    "The app makes no cleaned copy of an e-mail message. Most programs do not show the first lines of such a "
    "message. Those lines contain addresses, times, and names of people and computers. Copy the words that "
    "matter into the text of your proposal, and do not pass on the file."
)
_ARCHIVE: Final = lazy_gettext(
    "The app makes no cleaned copy of this file, because the file contains other files. Ask the source to "
    "send those files one by one. Then the app can examine and clean each file."
)
_OLD: Final = lazy_gettext(
    "The app makes no cleaned copy of this type of office file. Such a file can contain removed texts, "
    "names and programs."
)
_WEB: Final = lazy_gettext(
    "The app makes no cleaned copy of a web page. A web page can contain texts, programs and addresses that "
    "no one sees."
)
_PDF: Final = lazy_gettext(
    "The app makes no cleaned copy of the text of a PDF, because a PDF can hide texts, layers and "
    "forms that the app does not find."
)
_PICTURE: Final = lazy_gettext("The app cannot clean this type of picture.")
_RECORDING: Final = lazy_gettext(
    "The app cannot clean this type of sound or video. Ask the source for an MP4 or MP3 file, or write "
    "the most important words into the text of your proposal."
)
_UNKNOWN: Final = lazy_gettext(
    "The app does not know this type of file, and makes no copy of the file. Ask the source for a PDF, a "
    "text or a photo of what matters."
)
_KINDS: Final = (
    (_TEXT, ".txt"),
    (_MAIL, ".eml .msg"),
    (_ARCHIVE, " ".join({".zip", ".epub", *ARCHIVES})),
    (_OLD, ".doc .xls .ppt .rtf"),
    (_WEB, ".html"),
    (_PDF, ".pdf"),
    (_PICTURE, ".webp .avif"),
    (_RECORDING, ".mkv .mpg"),
)

_DIFFERENCES: Final[Mapping[Difference, LazyString]] = {
    Difference.PAGES: lazy_gettext(
        "The app offers no cleaned copy: the copy that the app made has fewer or more pages than the "
        "original."
    ),
    Difference.WORDS: lazy_gettext(
        "The app offers no cleaned copy: in the copy that the app made, words of the original are missing "
        "or different."
    ),
    Difference.CELLS: lazy_gettext(
        "The app offers no cleaned copy: in the copy that the app made, cells of the original are missing "
        "or different."
    ),
    Difference.PICTURES: lazy_gettext(
        "The app offers no cleaned copy: the copy that the app made looks different from the original."
    ),
    Difference.SOUND: lazy_gettext(
        "The app offers no cleaned copy: the sound or video of the copy that the app made is different from "
        "the original."
    ),
}
_REFUSALS: Final[Mapping[ConversionRefusal, LazyString]] = {
    ConversionRefusal.LOCKED: lazy_gettext(
        "The file is locked with a password. Ask the source to send the file without a password."
    ),
    ConversionRefusal.LIMIT: lazy_gettext(
        "The app could not make or check a copy: the file has too many pages, or a program took too long. "
        "Ask the source for a smaller file."
    ),
    ConversionRefusal.PIXELS: lazy_gettext(
        "The app could not make or check a copy, because the picture is too large. Ask the source for a "
        "smaller picture."
    ),
    ConversionRefusal.MISSING: lazy_gettext(
        "The app could not make or check a copy, because a program is not installed on this computer. Call "
        "the operator."
    ),
    ConversionRefusal.NO_SANDBOX: lazy_gettext(
        "The app could not make or check a copy, because this computer cannot isolate programs. Call the "
        "operator."
    ),
}
_LEFT: Final = lazy_gettext(
    "The app offers no cleaned copy, because this would still be in the copy: %(left)s"
)
_FAILED: Final = lazy_gettext(
    "The app could not make or check a copy. The file is damaged, or contains something that the app cannot "
    "clean."
)


def words_of_type(ending: str) -> LazyString:
    """Return the sentences about a type of file that the app does not clean."""
    return next((words for words, endings in _KINDS if ending in endings.split()), _UNKNOWN)


def words_of_difference(difference: Difference) -> LazyString:
    """Return the sentence that says how a cleaned copy differs from its original."""
    return _DIFFERENCES[difference]


def words_of_refusal(reason: ConversionRefusal) -> LazyString:
    """Return the sentences that say why a copy could not be made or compared with its original."""
    return _REFUSALS.get(reason, _FAILED)


def words_of_findings(lines: Sequence[LazyString]) -> LazyString:
    """Return a sentence that says which hidden information is left in a cleaned copy."""
    return LazyString(lambda: str(_LEFT % {"left": " ".join(map(str, lines))}))
