"""Every refusal of this package."""


class ReportError(Exception):
    """Base of every refusal of this package."""


class FloorError(ReportError):
    """A threshold under its minimum, not a multiple of five, or the SG's above the public one."""


class ExternalResourceError(ReportError):
    """A report asked for something outside itself; nothing was fetched."""


class PdfToolsMissingError(ReportError):
    """This machine lacks the libraries that lay out a PDF (Debian: libpango-1.0-0, libpangoft2-1.0-0)."""


class WordsError(ReportError):
    """The report's own words, or a line's name, hold what cannot stand in a document."""
