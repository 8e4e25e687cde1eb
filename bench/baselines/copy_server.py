"""Baseline server for sync: reads any request, and answers with as many bytes as its first eight ask for.

python -m bench.baselines.copy_server unix:/path/to/socket
"""

import os
import sys

from flask import Flask, Response, request

from deploy.serving.gunicorn_server import GunicornServer
from sync.build import TARGET_BYTES
from sync.pouch_stream import POUCH_PATH, frame_pouches

SIZE_BYTES = 8


def create_app() -> Flask:
    """Build an app with one view, at the path of the real sync endpoint, that answers with random bytes."""
    app = Flask(__name__)
    piece = os.urandom(TARGET_BYTES)

    @app.post(POUCH_PATH)
    def copy() -> Response:
        wanted = max(1, int.from_bytes(request.get_data(cache=False)[:SIZE_BYTES]))
        pieces = (piece[: wanted - done] for done in range(0, wanted, TARGET_BYTES))
        return Response(frame_pouches(pieces), mimetype="application/octet-stream")

    return app


def main(bind: str) -> None:
    """Serve until SIGTERM, with the gunicorn and the settings of the real sync endpoint."""
    GunicornServer(create_app, binds=[bind], workers=1, threads=4, stop_seconds=10).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
