"""HTTP endpoint of the server for syncing: a workstation posts a pouch (sync bundle), and gets pouches back.

The endpoint listens behind an onion service or on a Unix socket.
"""

from typing import Final

from flask import Flask, Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from protocol.errors import PouchRefusedError
from store.errors import StoreError
from sync.endpoint import Endpoint
from sync.errors import SyncError
from sync.exchange import answer_pouches
from sync.pouch_stream import POUCH_BYTES, POUCH_PATH, frame_pouches
from sync.refusal_words import TOO_LARGE, Refusal, refusal_word
from web import headers

_REFUSED: Final = 422
_TOO_LARGE: Final = 413


def create_sync_app(server: Endpoint) -> Flask:
    """Build the Flask app of a server's sync endpoint.

    Its only route receives and answers pouches (sync bundles).
    """
    app = Flask(__name__, static_folder=None)
    app.config.from_mapping(MAX_CONTENT_LENGTH=POUCH_BYTES)
    headers.install_headers(app)

    @app.post(POUCH_PATH)
    def exchange() -> Response:
        stream = frame_pouches(answer_pouches(server, request.get_data(cache=False)))
        return Response(stream, mimetype="application/octet-stream")

    for refusal in (PouchRefusedError, SyncError, StoreError):
        app.register_error_handler(refusal, _refuse)
    app.register_error_handler(RequestEntityTooLarge, _refuse_too_large)
    return app


def _refuse(why: Refusal) -> Response:
    return Response(refusal_word(why), status=_REFUSED, mimetype="text/plain")


def _refuse_too_large(_: RequestEntityTooLarge) -> Response:
    return Response(TOO_LARGE, status=_TOO_LARGE, mimetype="text/plain")
