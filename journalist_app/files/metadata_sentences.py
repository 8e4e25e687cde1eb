"""Sentences about metadata and hidden parts of a file, in the adviser's language."""

from enum import IntEnum, StrEnum

from flask_babel import gettext, ngettext


class DetailKind(IntEnum):
    """Subjects of metadata and hidden parts in a file, in the order in which the adviser reads about them."""

    PERSON = 1
    PLACE = 2
    CHANGES = 3
    COMMENTS = 4
    HIDDEN = 5
    DEVICE = 6
    TIME = 7
    OTHER = 8


class FileRemark(StrEnum):
    """Remarks about a whole file, such as why it was not inspected."""

    TOO_LARGE = "too_large"
    UNKNOWN_TYPE = "unknown_type"
    OTHER_TYPE = "other_type"  # the first bytes are not of the type that the file name says
    NO_MAT2 = "no_mat2"
    NO_SANDBOX = "no_sandbox"
    FAILED = "failed"
    NOTHING = "nothing"  # nothing hidden was found
    PDF = "pdf"
    OFFICE = "office"
    ARCHIVE = "archive"


def remark_sentence(remark: FileRemark) -> str:
    """Return a remark about a whole file as a sentence in the adviser's language."""
    sentences = {
        FileRemark.TOO_LARGE: gettext(
            "This file is too large to examine, so what is hidden in the file is unknown. The file was "
            "not changed."
        ),
        FileRemark.UNKNOWN_TYPE: gettext(
            "The program that examines files does not know this type of file. What is hidden in the "
            "file is unknown, and the app cannot make a cleaned copy."
        ),
        FileRemark.OTHER_TYPE: gettext(
            "The type of this file is not the type that its name says, so the app did not examine the "
            "file. What is hidden in the file is unknown, and the app cannot make a cleaned copy."
        ),
        FileRemark.NO_MAT2: gettext(
            "mat2, the program that examines files, is not installed on this computer. What is hidden "
            "in this file is unknown, and the app cannot make a cleaned copy."
        ),
        FileRemark.NO_SANDBOX: gettext(
            "This computer cannot isolate the program that examines files, so the app did not examine the "
            "file. What is hidden in the file is unknown, and the app cannot make a cleaned copy. Ask the "
            "operator to repair the isolation of that program."
        ),
        FileRemark.FAILED: gettext(
            "The app could not examine this file: the file is damaged, contains too many layers of files "
            "inside files, or took too long. What is hidden in the file is unknown, and the app cannot "
            "make a cleaned copy."
        ),
        FileRemark.NOTHING: gettext(
            "The app found no hidden information in this file. The file can still contain hidden "
            "information that the app cannot find."
        ),
        FileRemark.PDF: gettext(
            "The app does not show which comments, attachments and forms a PDF contains. A cleaned copy "
            "of a PDF consists of pictures of the pages and contains nothing else. The text in a cleaned "
            "copy cannot be searched or read aloud."
        ),
        FileRemark.OFFICE: gettext(
            "In a cleaned copy, the app accepts tracked changes and removes comments. Hidden text stays "
            "in the copy. Open the copy and read the copy before you send it."
        ),
        FileRemark.ARCHIVE: gettext(
            "This file contains other files. Ask the source to send those files one by one. Then the "
            "app can examine and clean each file."
        ),
    }
    return str(sentences[remark])


def detail_sentence(kind: DetailKind, key: str, value: str) -> str:
    """Return one finding in a file as a sentence in the adviser's language."""
    sentences = {
        DetailKind.PERSON: gettext("Name (%(key)s): %(value)s"),
        DetailKind.PLACE: gettext("Place (%(key)s): %(value)s"),
        DetailKind.CHANGES: gettext(
            "Tracked changes in the file: %(key)s, made by %(value)s. The file still contains removed text."
        ),
        DetailKind.COMMENTS: gettext("Comments in the file: %(key)s, written by %(value)s."),
        DetailKind.HIDDEN: gettext(
            "The file contains pieces of text that are hidden on the page. Number of pieces: %(key)s."
        ),
        DetailKind.DEVICE: gettext("Device or program (%(key)s): %(value)s"),
        DetailKind.TIME: gettext("Date or time (%(key)s): %(value)s"),
        DetailKind.OTHER: gettext("Something else (%(key)s): %(value)s"),
    }
    named = {"key": key, "value": value or gettext("someone without a name")}
    return str(sentences[kind] % named)


def more_details_sentence(count: int) -> str:
    """Return a sentence that says how many more findings of one kind are not listed."""
    return str(
        ngettext(
            "The file contains %(num)d more hidden detail like the one in the line above.",
            "The file contains %(num)d more hidden details like the one in the line above.",
            count,
        )
    )
