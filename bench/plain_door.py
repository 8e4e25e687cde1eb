"""The yardstick of syncing: bytes in, and as many out as the first eight of them ask for.

python -m bench.plain_door unix:/path/to/socket
"""

import os
import sys

from flask import Flask, Response, request

from deploy.serving.gunicorn_server import GunicornServer
from sync.build import TARGET_BYTES
from sync.http_endpoint import PATH
from sync.pouch_stream import frame_pouches

ASKING_BYTES = 8


def create_app() -> Flask:
    """Build a view that takes any bytes and answers with others, at the place of the real door."""
    app = Flask(__name__)
    piece = os.urandom(TARGET_BYTES)

    @app.post(PATH)
    def copy() -> Response:
        wanted = max(1, int.from_bytes(request.get_data(cache=False)[:ASKING_BYTES]))
        pieces = (piece[: wanted - done] for done in range(0, wanted, TARGET_BYTES))
        return Response(frame_pouches(pieces), mimetype="application/octet-stream")

    return app


def main(bind: str) -> None:
    """Serve until SIGTERM, under the gunicorn and with the settings of the real door."""
    GunicornServer(create_app, binds=[bind], workers=1, threads=4, stop_seconds=10).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
