"""Exception for a request body that cannot be read, with its reasons."""

from enum import StrEnum


class BodyFault(StrEnum):
    """Reasons why a request body cannot be used."""

    CUT_OFF = "cut_off"  # the body ended before its last boundary, or before its Content-Length
    MALFORMED = "malformed"  # the body is not a form as browsers send it
    TOO_LARGE = "too_large"  # the body, or its announced length, exceeds the limit of the request
    TOO_MANY_PARTS = "too_many_parts"  # the form has more parts than our forms have
    FIELD_TOO_LONG = "field_too_long"  # the text fields together exceed their limit
    HEADERS_TOO_LONG = "headers_too_long"  # one part's headers are too long, such as a very long file name


class BodyError(Exception):
    """A request body cannot be used. The parts that arrived completely before the fault are valid."""

    def __init__(self, reason: BodyFault) -> None:
        super().__init__(reason.value)
        self.reason = reason
        # Name and text of the field that was being read, so that the page can show this text again.
        self.unfinished: tuple[str, str] | None = None
