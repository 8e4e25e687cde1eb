"""Refusals of a request body that cannot be read, before any mailbox is involved."""

from enum import StrEnum


class BodyFault(StrEnum):
    """Reasons why a request body cannot be used."""

    CUT_OFF = "cut_off"  # it ended before its last boundary, or before its Content-Length
    MALFORMED = "malformed"  # no browser sends such a form
    TOO_LARGE = "too_large"  # over the limit of the request, announced or not
    TOO_MANY_PARTS = "too_many_parts"  # more parts than our forms have
    FIELD_TOO_LONG = "field_too_long"  # the text fields together are over their limit
    HEADERS_TOO_LONG = "headers_too_long"  # of one part, for example because of a very long file name


class BodyError(Exception):
    """A request body that cannot be used. Parts that arrived completely before the fault are valid."""

    def __init__(self, reason: BodyFault) -> None:
        super().__init__(reason.value)
        self.reason = reason
        # Name and text of the field that was being read, so that the user keeps the text.
        self.unfinished: tuple[str, str] | None = None
