"""Exceptions of the yearly report."""


class ReportError(Exception):
    """Base class of the report's exceptions.

    `render_pdf` raises this class itself if the HTML page refers to another file or address. Our own pages
    never do.
    """


class FloorError(ReportError):
    """A floor (smallest count that a report shows) is not allowed.

    The floor is below its minimum or not a multiple of five, or the floor for the Secretary-General is above
    the public floor.
    """


class PdfToolsMissingError(ReportError):
    """Libraries that make PDF files are missing (Debian packages: libpango-1.0-0, libpangoft2-1.0-0)."""


class WordsError(ReportError):
    """The adviser's text is too long, or has characters that a report cannot contain."""
