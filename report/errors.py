"""Exceptions of the yearly report."""


class ReportError(Exception):
    """Base class of the exceptions of the yearly report.

    `render_pdf` raises this class itself if the HTML page refers to another file or address. Our own pages
    never do.
    """


class FloorError(ReportError):
    """A floor (smallest count that the yearly report shows) is not allowed.

    The floor is below its minimum or not a multiple of five, or the floor for the Secretary-General's version
    is above the floor for the public version.
    """


class PdfToolsMissingError(ReportError):
    """This machine has no Pango libraries, which are needed to make PDF files.

    The Debian packages are libpango-1.0-0 and libpangoft2-1.0-0.
    """


class WordsError(ReportError):
    """The adviser's text for the report is too long, or has characters that a report cannot contain."""
