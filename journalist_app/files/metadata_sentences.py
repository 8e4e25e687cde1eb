"""Sentences about metadata and hidden parts of a file, in the adviser's language."""

from typing import Final

from flask_babel import gettext, lazy_gettext, ngettext

# Remarks about a whole file, such as why it was not inspected.
UNKNOWN_TYPE: Final = lazy_gettext(
    "The program that examines files does not know this type of file. What is hidden in the file is "
    "unknown, and the app cannot make a cleaned copy."
)
OTHER_TYPE: Final = lazy_gettext(  # the first bytes are not of the type that the file name says
    "The type of this file is not the type that its name says, so the app did not examine the file. What "
    "is hidden in the file is unknown, and the app cannot make a cleaned copy."
)
NO_MAT2: Final = lazy_gettext(
    "mat2, the program that examines files, is not installed on this computer. What is hidden in this "
    "file is unknown, and the app cannot make a cleaned copy."
)
NO_SANDBOX: Final = lazy_gettext(
    "This computer cannot isolate the program that examines files, so the app did not examine the file. "
    "What is hidden in the file is unknown, and the app cannot make a cleaned copy. Ask the operator to "
    "repair the isolation of that program."
)
FAILED: Final = lazy_gettext(
    "The app could not examine this file: the file is damaged, contains too many layers of files inside "
    "files, or took too long. What is hidden in the file is unknown, and the app cannot make a cleaned "
    "copy."
)
NOTHING: Final = lazy_gettext(
    "The app found no hidden information in this file. The file can still contain hidden information that "
    "the app cannot find."
)
PDF: Final = lazy_gettext(
    "The app does not show which comments, attachments and forms a PDF contains. A cleaned copy of a PDF "
    "consists of pictures of the pages and contains nothing else. The text in a cleaned copy cannot be "
    "searched or read aloud."
)
OFFICE: Final = lazy_gettext(
    "In a cleaned copy, the app accepts tracked changes and removes comments. Hidden text stays in the "
    "copy. Open the copy and read the copy before you send it."
)
ARCHIVE: Final = lazy_gettext(
    "This file contains other files. Ask the source to send those files one by one. Then the app can "
    "examine and clean each file."
)

# Findings in a file by their subject, in the order in which the adviser reads about them.
DETAILS: Final = {
    "person": lazy_gettext("Name (%(key)s): %(value)s"),
    "place": lazy_gettext("Place (%(key)s): %(value)s"),
    "changes": lazy_gettext(
        "Tracked changes in the file: %(key)s, made by %(value)s. The file still contains removed text."
    ),
    "comments": lazy_gettext("Comments in the file: %(key)s, written by %(value)s."),
    "hidden": lazy_gettext(
        "The file contains pieces of text that are hidden on the page. Number of pieces: %(key)s."
    ),
    "device": lazy_gettext("Device or program (%(key)s): %(value)s"),
    "time": lazy_gettext("Date or time (%(key)s): %(value)s"),
    "other": lazy_gettext("Something else (%(key)s): %(value)s"),
}


def detail_sentence(kind: str, key: str, value: str) -> str:
    """Return a sentence in the adviser's language about one finding in a file.

    `kind` is a key of `DETAILS`.
    """
    return str(DETAILS[kind] % {"key": key, "value": value or gettext("someone without a name")})


def more_details_sentence(count: int) -> str:
    """Return a sentence: the file has `count` more hidden details like the one in the line above."""
    return str(
        ngettext(
            "The file contains %(num)d more hidden detail like the one in the line above.",
            "The file contains %(num)d more hidden details like the one in the line above.",
            count,
        )
    )
