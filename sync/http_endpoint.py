"""The server's door for workstations: a pouch comes in, some go out. An onion service ends at it."""

from typing import Final

from flask import Flask, Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from protocol.errors import PouchRefusedError
from store.errors import StoreError
from sync.endpoint import Endpoint
from sync.errors import SyncError
from sync.exchange import answers
from sync.pouch_stream import POUCH_BYTES, written
from sync.reasons import TOO_LARGE, Refusal, reason_of
from web import headers

PATH: Final = "/pouch"
_REFUSED: Final = 422
_TOO_LARGE: Final = 413


def create_sync_app(side: Endpoint) -> Flask:
    """Build the door of a server; nothing but pouches goes through it."""
    app = Flask(__name__, static_folder=None)
    app.config.from_mapping(MAX_CONTENT_LENGTH=POUCH_BYTES)
    headers.install_headers(app)

    @app.post(PATH)
    def exchange() -> Response:
        pouches = written(answers(side, request.get_data(cache=False)))
        return Response(pouches, mimetype="application/octet-stream")

    for refusal in (PouchRefusedError, SyncError, StoreError):
        app.register_error_handler(refusal, _refuse)
    app.register_error_handler(RequestEntityTooLarge, _too_large)
    return app


def _refuse(why: Refusal) -> Response:
    return Response(reason_of(why), status=_REFUSED, mimetype="text/plain")


def _too_large(_: RequestEntityTooLarge) -> Response:
    return Response(TOO_LARGE, status=_TOO_LARGE, mimetype="text/plain")
