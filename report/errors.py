"""Refusals of the yearly report."""


class ReportError(Exception):
    """Base of every refusal in this package.

    Raised itself when a page asks for something outside itself: our own pages never do.
    """


class FloorError(ReportError):
    """A threshold below its minimum, not a multiple of five, or the SG's above the public one."""


class PdfToolsMissingError(ReportError):
    """Missing libraries: this machine cannot lay out a PDF (Debian: libpango-1.0-0, libpangoft2-1.0-0)."""


class WordsError(ReportError):
    """The adviser's text is too long, or has characters that a document cannot contain."""
