"""Start the adviser's interface."""

import os
import sys
from pathlib import Path

from flask import Flask

from deploy import quiet_log
from deploy.errors import UnsafePlaceError
from deploy.hardening import TMPFS, harden_process, private_folder, refuse_readable_by_others
from deploy.ports import refuse_taken_address
from deploy.serving import search_processes
from deploy.serving.gunicorn_server import GunicornServer
from deploy.settings.load_settings import load_config
from journalist_app import create_adviser_app
from journalist_app.config import AdviserConfig
from store.database.engine import open_store
from store.sessions import is_in_memory

_STOP_SECONDS = 3  # then a locked worker is gone, and with it the keys in its memory
_THREADS = 8


def serve_adviser(settings: Path) -> None:
    """Check everything that could be wrong, then serve until told to stop.

    One worker, since the open keyring lives in one process; the master never holds it.

    Raises:
        DeployError: the settings or the port are not as they must be, or others can read the keyring.
        StoreError: the store cannot be opened.
    """
    harden_process()
    os.environ["TMPDIR"] = TMPFS  # nothing of ours writes temporary files; a library that did finds memory
    config = load_config(settings, "adviser", AdviserConfig)
    refuse_taken_address(config.bind)
    refuse_readable_by_others(config.keyring_path)
    private_folder(config.openpgp_home_path)
    if not is_in_memory(config.openpgp_home_path):
        raise UnsafePlaceError(
            f"{config.openpgp_home_path} must be on tmpfs: gpg keeps the desk's key there."
        )
    store = open_store(config.store_path)

    def build() -> Flask:
        return create_adviser_app(
            config, store, end_worker=server.end_worker, readers=search_processes.search_process_starters()
        )

    quiet_log.install_quiet_log(sys.stderr)
    server = GunicornServer(
        build, binds=[config.bind], workers=1, threads=_THREADS, stop_seconds=_STOP_SECONDS
    )
    server.run()
