"""A server's end of syncing: the door behind an onion or a socket, and the same answers for SSH."""

import os
import sys
from pathlib import Path
from typing import BinaryIO

from flask import Flask

from crypto.errors import PouchRefusedError
from crypto.letterhead import Letterhead
from crypto.pouch import SERVER, ServerKey
from deploy import quiet_log
from deploy.config import load_config
from deploy.errors import LetterheadError
from deploy.hardening import TMPFS, close_process
from deploy.pinned_letterhead import open_letterhead
from deploy.ports import refuse_taken
from deploy.serve import Server
from deploy.server_key import read_key
from deploy.sync_config import SyncConfig
from store.engine import Store, open_store
from store.errors import StoreError
from sync.carriers import BROUGHT, REFUSED
from sync.door import POUCH_BYTES, create_app
from sync.errors import LetterheadUnsoundError, SyncError
from sync.exchange import answer
from sync.reasons import TOO_LARGE, reason_of
from sync.side import Side
from web.dates import half_hour_now, utc_today

_STOP_SECONDS = 10  # for pouches that are under way when we are told to stop


def server_side(config: SyncConfig, store: Store, key: ServerKey) -> Side:
    """Return the server's end. The letterhead is looked at each time: who was taken out of use stays out."""

    def newest() -> Letterhead:
        try:
            return open_letterhead(store, config.fingerprint, config.letterhead_serial_path)
        except LetterheadError as why:
            raise LetterheadUnsoundError from why

    return Side(
        store=store,
        name=SERVER,
        seed=key.seed,
        identities=(key.identity,),
        fingerprint=config.fingerprint,
        letterhead=newest,
        quota=config.quota,
        today=utc_today,
        half_hour=half_hour_now,
    )


def serve(settings: Path) -> None:
    """Check everything that could be wrong, then serve until told to stop.

    Raises:
        DeployError: the settings, the key, the port or the letterhead are not as they must be.
        StoreError: the store cannot be opened.
    """
    close_process()
    os.environ["TMPDIR"] = TMPFS  # nothing of ours writes temporary files; a library that did finds memory
    config = load_config(settings, "sync", SyncConfig)
    refuse_taken(config.bind)
    key = read_key(config.key_path)
    store = open_store(config.store_path)
    open_letterhead(store, config.fingerprint, config.letterhead_serial_path)
    store.close()

    def build() -> Flask:
        return create_app(server_side(config, store, key))

    quiet_log.install(sys.stderr)
    Server(
        build,
        binds=[config.bind],
        workers=config.workers,
        threads=config.threads,
        stop_seconds=_STOP_SECONDS,
    ).run()


def answer_one(settings: Path, brought: BinaryIO, out: BinaryIO) -> None:
    """Read one pouch and write the answer: what runs at the server's end of an SSH connection.

    Raises:
        DeployError: the settings or the key are not as they must be; nothing is written to `out`.
        StoreError: the store cannot be opened; the same.
    """
    close_process()
    config = load_config(settings, "sync", SyncConfig)
    key = read_key(config.key_path)
    store = open_store(config.store_path)
    try:
        out.write(_answer(server_side(config, store, key), brought))
        out.flush()
    finally:
        store.close()


def _answer(side: Side, brought: BinaryIO) -> bytes:
    pouch = brought.read(POUCH_BYTES + 1)
    if len(pouch) > POUCH_BYTES:
        return REFUSED + TOO_LARGE.encode("ascii")
    try:
        return BROUGHT + answer(side, pouch)
    except (PouchRefusedError, SyncError, StoreError) as why:
        return REFUSED + reason_of(why).encode("ascii")
