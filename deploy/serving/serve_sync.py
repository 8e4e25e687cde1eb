"""Start the sync endpoint over HTTP, or answer one pouch (sync bundle) over SSH."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from flask import Flask

from deploy.pairing.server_key import read_server_key
from deploy.pinned_letterhead import open_letterhead
from deploy.ports import refuse_taken_address
from deploy.serving.gunicorn_server import GunicornServer
from deploy.settings.database_settings import Role, store_place
from deploy.settings.load_settings import load_config
from deploy.settings.sync_settings import SyncConfig
from deploy.syncing.server_endpoint import open_server_endpoint, server_endpoint_for
from protocol.errors import PouchRefusedError
from store.database.engine import open_store
from store.errors import StoreError
from sync.carriers import SSH_POUCHES, SSH_REFUSED
from sync.endpoint import Endpoint
from sync.errors import SyncError
from sync.exchange import answer_pouches
from sync.http_endpoint import create_sync_app
from sync.pouch_stream import POUCH_BYTES, frame_pouches
from sync.refusal_words import TOO_LARGE, refusal_word

_STOP_SECONDS = 10  # time that pouches get to finish after a signal to stop


def serve_sync(settings: Path) -> None:
    """Check the settings, and serve the sync endpoint until a signal says to stop.

    Raises:
        DeployError: the settings or the key have faults, the port is taken, or the desk's signed letterhead
            is refused.
        StoreError: the store cannot be opened.
    """
    config = load_config(settings, "sync", SyncConfig)
    refuse_taken_address(config.bind)
    key = read_server_key(config.key_path)
    store = open_store(store_place(settings, config.store_path, Role.SYNC))
    open_letterhead(store, config.fingerprint, config.letterhead_serial_path)
    store.close()

    def build() -> Flask:
        return create_sync_app(server_endpoint_for(config, store, key))

    GunicornServer(
        build, binds=[config.bind], workers=config.workers, threads=config.threads, stop_seconds=_STOP_SECONDS
    ).run(store.settle)


def answer_one_pouch(settings: Path, brought: BinaryIO, out: BinaryIO) -> None:
    """Read one sync bundle (pouch) from `brought`, and write the answer to `out`.

    The server calls this function at its end of an SSH connection.

    Raises:
        DeployError: the settings or the key have faults. Nothing was written.
        StoreError: the store cannot be opened. Nothing was written.
    """
    with open_server_endpoint(settings) as endpoint:
        out.writelines(_answer(endpoint, brought))
        out.flush()


def _answer(endpoint: Endpoint, brought: BinaryIO) -> Iterator[bytes]:
    pouch = brought.read(POUCH_BYTES + 1)
    if len(pouch) > POUCH_BYTES:
        yield SSH_REFUSED + TOO_LARGE.encode("ascii")
        return
    try:
        pouches = frame_pouches(answer_pouches(endpoint, pouch))
    except (PouchRefusedError, SyncError, StoreError) as why:
        yield SSH_REFUSED + refusal_word(why).encode("ascii")
    else:
        yield SSH_POUCHES
        yield from pouches
