"""Exceptions of the yearly report."""


class ReportError(Exception):
    """Base class of the exceptions of the yearly report.

    `render_pdf` raises this class itself if the HTML page refers to another file or address.
    """


class FloorError(ReportError):
    """The value of a floor is not allowed. A floor is the smallest count that the yearly report shows.

    The value is too low or not a multiple of five, or the Secretary-General's floor is above the public
    floor.
    """


class PdfToolsMissingError(ReportError):
    """This machine has no Pango libraries, which are needed to make PDF files.

    The Debian packages are libpango-1.0-0 and libpangoft2-1.0-0.
    """


class WordsError(ReportError):
    """The adviser's text for the report is too long, or has characters that a report cannot contain."""
