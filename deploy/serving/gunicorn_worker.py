"""gunicorn's threaded worker, made to keep quiet, to give up on stalled clients and to end at once.

Read beside gunicorn 27's workers/gthread.py and http/wsgi.py; the version is pinned.
"""

import contextlib
import logging
import os
import sys
from typing import Any

from gunicorn.http import errors, wsgi
from gunicorn.workers import gthread

from deploy.quiet_log import OWN_LOGGER, traceback_places
from deploy.serving.slow_clients import PatientSocket
from web.headers import EVERY_ANSWER

_FIRST_BYTE_SECONDS = 0.05  # then the connection waits in the poller and holds no thread

# A thread that writes gives up the interpreter in every statement and has to wait for it again, while all
# other writers wait for that thread. Eight clients posted up to 1.4 times as much as with Python's own 5 ms
# in one pair of runs, and as much in others.
_SWITCH_SECONDS = 0.0005

# gunicorn's answers to what is not HTTP quote it; ours are fixed. Everything else is 400.
_REFUSALS: dict[type[Exception], str] = {
    errors.LimitRequestLine: "414 URI Too Long",
    errors.LimitRequestHeaders: "431 Request Header Fields Too Large",
    errors.UnsupportedTransferCoding: "501 Not Implemented",
    errors.ExpectationFailed: "417 Expectation Failed",
}
_HARDENED = "".join(f"{name}: {value}\r\n" for name, value in EVERY_ANSWER.items())


class _Nowhere:
    """What a WSGI app may write errors to; ours log instead."""

    def write(self, text: str) -> int:
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        """Drop them."""

    def flush(self) -> None:
        """Do nothing."""


_NOWHERE = _Nowhere()


class PlainResponse(wsgi.Response):  # type: ignore[misc]  # gunicorn has no types
    """An answer that does not say which server wrote it."""

    def default_headers(self) -> list[str]:
        """Return gunicorn's own headers without `Server`."""
        return [line for line in super().default_headers() if not line.startswith("Server:")]


class QuietWorker(gthread.ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """Serve WSGI on threads; never log or answer with anything that a client sent."""

    def run(self) -> None:
        """Serve until told to stop, then end without waiting for threads.

        A thread may wait for a client that does not take its answer; as long as it lives, so do the keys in
        this process's memory. Requests that are under way had `graceful_timeout` seconds.
        """
        sys.setswitchinterval(_SWITCH_SECONDS)
        super().run()
        logging.shutdown()
        os._exit(0)

    def enqueue_req(self, conn: Any) -> None:  # noqa: ANN401  # gunicorn has no types
        """Put a patient socket under a new connection."""
        if not isinstance(conn.sock, PatientSocket):
            conn.sock = PatientSocket(conn.sock)
        super().enqueue_req(conn)

    def handle(self, conn: Any) -> Any:  # noqa: ANN401  # gunicorn has no types
        """Serve one request, or leave a connection that says nothing to the poller."""
        silent = not conn.initialized and not conn.data_ready
        if silent and not conn.wait_for_data(_FIRST_BYTE_SECONDS):
            return gthread._DEFER  # noqa: SLF001  # gunicorn's own wait here holds a thread for five seconds
        conn.sock.start_over()
        return super().handle(conn)

    def handle_request(self, req: Any, conn: Any) -> bool:  # noqa: ANN401  # gunicorn has no types
        """Answer one request; return whether the connection may carry another.

        gunicorn's own method without access log and hooks. What could trace a client is taken out before the
        app sees it: it cannot keep what it is never given.
        """
        response, environ = wsgi.create(
            req, conn.sock, conn.client, conn.server, self.cfg, response_class=PlainResponse
        )
        environ["REMOTE_ADDR"] = ""
        environ.pop("REMOTE_PORT", None)
        environ["wsgi.errors"] = _NOWHERE
        environ["wsgi.multithread"] = True
        if len(self.keepalived_conns) >= self.max_keepalived:
            response.force_close()
        body = self.wsgi(environ, response.start_response)
        try:
            if not self.alive:  # told to stop, perhaps by this very request: nothing more comes from here
                response.force_close()
            for piece in body:
                response.write(piece)
            response.close()
        except OSError:
            raise
        except Exception:
            if not response.headers_sent:
                raise
            self.log.exception("an answer broke off")  # half an answer is out: it can only be cut off
            return False
        finally:
            if hasattr(body, "close"):
                body.close()
        return not response.should_close()

    def handle_error(self, _req: object, client: Any, _addr: object, exc: Exception) -> None:  # noqa: ANN401
        """Answer what could not be served with a fixed page, and log the kind of fault alone."""
        kind = type(exc)
        if kind.__module__.startswith("gunicorn."):
            status = _REFUSALS.get(kind, "400 Bad Request")
            logging.getLogger(OWN_LOGGER).warning("refused what is no proper request (%s)", kind.__name__)
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
        with contextlib.suppress(OSError):  # the client is gone, which is no event
            client.sendall(head.encode() + body)
