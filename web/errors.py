"""Refusals of a request body that cannot be read, before any mailbox is involved."""


class WebError(Exception):
    """Base of every refusal in this package."""


class BodyError(WebError):
    """A request body that cannot be used. Parts that arrived completely before the fault are valid."""

    def __init__(self, unfinished: tuple[str, str] | None = None) -> None:
        super().__init__(type(self).__name__)
        self.unfinished = unfinished  # name and text of the field that was being read: the user keeps it


class CutOffError(BodyError):
    """The body ended before its last boundary, or before its Content-Length."""


class MalformedBodyError(BodyError):
    """A body that no browser sends as multipart/form-data."""


class TooLargeError(BodyError):
    """More bytes than the request may have, whether the Content-Length announced them or not."""


class TooManyPartsError(BodyError):
    """More parts than our forms have."""


class FieldTooLongError(BodyError):
    """Text fields that together exceed their limit."""


class HeadersTooLongError(BodyError):
    """Headers of one part that exceed their limit, for example because of a very long file name."""
