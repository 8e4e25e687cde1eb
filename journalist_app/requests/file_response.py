"""Response with a file to save, and streaming of a long file without locking the app."""

import functools
from collections.abc import Iterable, Iterator

from flask import Response

from journalist_app.desk.auto_lock import AutoLock
from journalist_app.requests.access import auto_lock
from web.filenames import attachment_disposition
from web.headers import FILE_CSP


def file_response(pieces: Iterable[bytes], name: str, size: int | None = None) -> Response:
    """Return a response that the browser saves as a file with this name, and never shows."""
    headers = {"Content-Disposition": attachment_disposition(name), "Content-Security-Policy": FILE_CSP}
    response = Response(pieces, mimetype="application/octet-stream", headers=headers)
    if size is not None:
        response.content_length = size
    return response


def keep_awake(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the pieces of a file. Each piece counts as activity, so the app stays unlocked."""
    return map(functools.partial(_touched, auto_lock()), pieces)


def _touched(holder: AutoLock, piece: bytes) -> bytes:
    holder.touch()
    return piece
