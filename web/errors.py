"""What can go wrong between a browser and us, before any mailbox is involved."""


class WebError(Exception):
    """Base of every refusal of this package."""


class BodyError(WebError):
    """A request body that cannot be used; what arrived whole before it stands."""

    def __init__(self, unfinished: tuple[str, str] | None = None) -> None:
        super().__init__(type(self).__name__)
        self.unfinished = unfinished  # (name, text) of the field that was being read, so that no text is lost


class CutOffError(BodyError):
    """The body ended before its last boundary, or before its Content-Length."""


class MalformedBodyError(BodyError):
    """Bytes that no browser sends as multipart/form-data."""


class TooLargeError(BodyError):
    """More bytes than the limit of the request, announced or not."""


class TooManyPartsError(BodyError):
    """More parts than any form of ours has."""


class FieldTooLongError(BodyError):
    """The text fields together exceed their limit."""


class HeadersTooLongError(BodyError):
    """The headers of one part exceed their limit, a file name of many thousands of characters included."""
