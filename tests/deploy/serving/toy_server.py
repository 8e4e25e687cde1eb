"""Toy app behind the real server, for tests that look from outside: python toy_server.py BIND."""

import ctypes
import gc
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from gunicorn.http.message import Request

from deploy import hardening, quiet_log
from deploy.serving.gunicorn_server import GunicornServer

_PR_GET_DUMPABLE = 3


def a_damaged_file(answer: bytes) -> Iterator[bytes]:
    """Yield the first half, as a file whose second half is damaged."""
    yield answer[: len(answer) // 2]
    raise ValueError("a damaged second half")


class Kept:
    """Part of a request, which refers to the request as Werkzeug's parts do."""

    def __init__(self, environ: dict[str, Any]) -> None:
        self.environ = environ


def main() -> None:
    gc.disable()  # what is freed must not depend on it
    hardening.harden_process()
    quiet_log.install_quiet_log(sys.stderr)
    secret = os.urandom(16).hex().encode()

    fixed = {
        "/damaged": bytes(2_000_000),
        "/secret": secret,
        "/page": bytes(200_000),
        "/large": bytes(32 << 20),
    }

    held_seconds = {"/held": 0.2, "/held-long": 3600}

    def app(environ: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        environ["toy.kept"] = Kept(environ)
        environ["gunicorn.socket"].hold(held_seconds.get(path, 0))
        answer = fixed.get(path, b"hello")
        if path == "/process":
            answer = str(os.getpid()).encode()
        elif path == "/hurry":
            environ["gunicorn.socket"].hurry()
            answer = str(len(environ["wsgi.input"].read())).encode()
        elif path == "/read":
            answer = str(len(environ["wsgi.input"].read())).encode()
        elif path == "/requests":
            answer = str(sum(isinstance(each, Kept | Request) for each in gc.get_objects())).encode()
        elif path == "/client":
            answer = repr((environ.get("REMOTE_ADDR"), environ.get("REMOTE_PORT"))).encode()
        elif path == "/dumpable":
            answer = str(ctypes.CDLL(None).prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0)).encode()
        elif path == "/end":
            server.end_worker()
            answer = b"ending"
        elif path.startswith("/raise"):
            raise ValueError(environ["QUERY_STRING"])
        start("200 OK", [("Content-Length", str(len(answer)))])
        return a_damaged_file(answer) if path.startswith("/damaged") else [answer]

    server = GunicornServer(lambda: app, binds=sys.argv[1:], workers=1, threads=2, stop_seconds=3)
    server.run()


if __name__ == "__main__":
    main()
