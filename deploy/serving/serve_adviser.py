"""Start the adviser's interface under gunicorn."""

from contextlib import suppress
from pathlib import Path

from flask import Flask

from deploy.errors import UnsafePathError
from deploy.hardening import private_memory_folder, refuse_unusable_keyring
from deploy.ports import refuse_taken_address
from deploy.serving import search_processes
from deploy.serving.gunicorn_server import GunicornServer
from deploy.settings.load_settings import load_config
from journalist_app import create_adviser_app
from journalist_app.config import AdviserConfig
from store.database.engine import open_store
from store.sessions import is_in_memory

_STOP_SECONDS = 3  # after this time, a locked worker has ended, and the keys in its memory are gone
_THREADS = 8


def serve_adviser(settings: Path) -> None:
    """Check settings, files and port, then serve the adviser's interface until a signal says to stop.

    Raises:
        DeployError: the settings have faults, the port is taken, or others can read the keyring.
        StoreError: the store cannot be opened.
    """
    # There is one worker, because only one process may have the decrypted keyring. The master has no keyring.
    config = load_config(settings, "adviser", AdviserConfig)
    refuse_taken_address(config.bind)
    refuse_unusable_keyring(config.keyring_path)
    private_memory_folder(config.openpgp_home_path)
    if not is_in_memory(config.openpgp_home_path):
        raise UnsafePathError(
            f"{config.openpgp_home_path} must be on tmpfs: gpg stores the desk's key there."
        )
    store = open_store(config.store_path)

    def build() -> Flask:
        # The folder may have disappeared since the last worker. If another user made it, gpg refuses it.
        with suppress(UnsafePathError):
            private_memory_folder(config.openpgp_home_path)
        return create_adviser_app(
            config, store, end_worker=server.end_worker, readers=search_processes.search_process_starters()
        )

    server = GunicornServer(
        build, binds=[config.bind], workers=1, threads=_THREADS, stop_seconds=_STOP_SECONDS
    )
    server.run(store.settle)
