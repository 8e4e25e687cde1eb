"""gunicorn's threaded worker, changed to log nothing of a request, and to end at once.

To review this module, compare it with workers/gthread.py and http/wsgi.py of gunicorn 27, the pinned version.
"""

import contextlib
import io
import logging
import os
import sys
import urllib.parse
from typing import Any

from gunicorn.http import errors, wsgi

from deploy.quiet_log import OWN_LOGGER, traceback_places
from deploy.serving.buffering_worker import BufferingWorker
from deploy.serving.slow_clients import ANSWER_BYTES
from web.headers import EVERY_ANSWER

# A thread that writes to the store releases the interpreter lock in every statement and waits to get it back,
# while all other writers wait for this thread. With this value eight clients posted up to 1.4 times as much
# as with Python's default of 5 ms in one pair of runs, and as much in others.
_SWITCH_SECONDS = 0.0005

# gunicorn's own answers to invalid HTTP quote the request. These answers do not. Every other error is 400.
_REFUSALS: dict[type[Exception], str] = {
    errors.LimitRequestLine: "414 URI Too Long",
    errors.LimitRequestHeaders: "431 Request Header Fields Too Large",
    errors.UnsupportedTransferCoding: "501 Not Implemented",
    errors.ExpectationFailed: "417 Expectation Failed",
}
_HARDENED = "".join(f"{name}: {value}\r\n" for name, value in EVERY_ANSWER.items())


class _Nowhere(io.TextIOBase):
    """Error stream that drops everything, because our apps write their errors to the log."""

    def write(self, text: str) -> int:
        return len(text)


_NOWHERE = _Nowhere()


class _RequestBody:
    """Body of a request. The method `read` raises an OSError if the body is malformed."""

    def __init__(self, body: Any) -> None:  # noqa: ANN401  # gunicorn has no types
        self._body = body

    def read(self, size: int | None = None) -> bytes:
        try:
            piece: bytes = self._body.read(size)
        except errors.ParseException as why:  # the apps do not know this class of gunicorn
            raise OSError from why
        return piece


class PlainResponse(wsgi.Response):  # type: ignore[misc]  # gunicorn has no types
    """HTTP response without the header `Server`, which would name the software."""

    def default_headers(self) -> list[str]:
        """Return gunicorn's own headers of a response, without `Server`."""
        return [line for line in super().default_headers() if not line.startswith("Server:")]


class _Answer:
    """Answer of an app to one request. If the client reads slowly, the answer is made in parts."""

    def __init__(self, conn: Any, environ: dict[str, Any], response: Any, body: Any) -> None:  # noqa: ANN401
        self._conn, self._environ, self._response, self._body = conn, environ, response, body
        self._pieces = (
            piece[start : start + ANSWER_BYTES]
            for piece in body
            for start in range(0, len(piece), ANSWER_BYTES)
        )

    def go_on(self) -> bool:
        """Make the next part of the answer. Return True if the connection may carry another request."""
        try:
            for piece in self._pieces:
                self._response.write(piece)
                if len(self._conn.sock.unsent) > ANSWER_BYTES:
                    self._conn.unfinished = self
                    return True
            self._response.close()
        except Exception as why:
            if isinstance(why, OSError) or not self._response.headers_sent:
                raise
            # A part of the answer was sent already: the connection can only be closed.
            places = traceback_places(type(why), why.__traceback__)
            logging.getLogger(OWN_LOGGER).error(  # noqa: TRY400  # the message may quote a request
                "an answer was cut off: %s", places
            )
            return False
        finally:
            if self._conn.unfinished is None:
                self.close()
        return not self._response.should_close()

    def force_close(self) -> None:
        self._response.force_close()

    def close(self) -> None:
        if hasattr(self._body, "close"):
            self._body.close()
        _forget(self._environ)


def _forget(environ: dict[str, Any]) -> None:
    """Free the data of a request in the app and in a cache of Python."""
    # Werkzeug's request refers to it and is in it, so both would outlive the request.
    environ.clear()
    # A visitor may have typed a passphrase behind an address, and this function of Python has a cache.
    urllib.parse.urlsplit.cache_clear()  # type: ignore[attr-defined]  # its types do not name the cache


class QuietWorker(BufferingWorker):
    """Threaded worker of gunicorn that never logs or repeats anything that a client sent."""

    def run(self) -> None:
        """Serve until a signal says to stop, then end the process without waiting for threads.

        Requests under way get `graceful_timeout` seconds to finish.
        """
        # A longer wait for a slow client would keep the keys in the memory of this process.
        sys.setswitchinterval(_SWITCH_SECONDS)
        super().run()
        logging.shutdown()
        os._exit(0)

    def handle_request(self, req: Any, conn: Any) -> bool:  # noqa: ANN401  # gunicorn has no types
        """Answer one request. Return True if the connection may carry another request.

        The client's addresses are removed before the app sees them.
        """
        # This is gunicorn's own method without its access log and hooks.
        if req._expected_100_continue:  # noqa: SLF001  # no browser sends it
            raise errors.ExpectationFailed("100-continue")
        response, environ = wsgi.create(
            req, conn.sock, conn.client, conn.server, self.cfg, response_class=PlainResponse
        )
        environ["REMOTE_ADDR"] = ""
        environ.pop("REMOTE_PORT", None)
        environ["wsgi.errors"] = _NOWHERE
        environ["wsgi.input"] = _RequestBody(environ["wsgi.input"])
        environ["wsgi.multithread"] = True
        try:
            body = self.wsgi(environ, response.start_response)
        except Exception:
            _forget(environ)
            raise
        if not self.alive or self.is_crowded:  # the worker is stopping, perhaps because of this request
            response.force_close()
        return _Answer(conn, environ, response, body).go_on()

    def handle_error(self, _req: object, client: Any, _addr: object, exc: Exception) -> None:  # noqa: ANN401
        """Send a fixed text for a request that failed outside the app, and log only the kind of fault."""
        kind = type(exc)
        if kind.__module__.startswith("gunicorn."):
            status = _REFUSALS.get(kind, "400 Bad Request")
            logging.getLogger(OWN_LOGGER).warning("refused an invalid request (%s)", kind.__name__)
        else:
            status = "500 Internal Server Error"
            logging.getLogger(OWN_LOGGER).error(
                "not caught by the app: %s", traceback_places(kind, exc.__traceback__)
            )
        body = f"{status}\n".encode()
        head = (
            f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: text/plain\r\n"
            f"Content-Length: {len(body)}\r\n" + _HARDENED + "\r\n"
        )
        with contextlib.suppress(OSError):  # the client has disconnected, which is not worth a log line
            client.sendall(head.encode() + body)
