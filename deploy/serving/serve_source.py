"""Start the source's interface under gunicorn."""

import os
from functools import partial
from pathlib import Path

from flask import Flask

from deploy.errors import ConfigError, DeployError
from deploy.hardening import private_folder, remake_folders
from deploy.pinned_letterhead import LetterheadWatch, open_letterhead, refuse_trial
from deploy.ports import refuse_taken_address
from deploy.serving.gunicorn_server import GunicornServer
from deploy.settings.database_settings import Role, store_place
from deploy.settings.load_settings import load_config
from protocol.session import SECRET_BYTES
from source_app import create_source_app
from source_app.config import SourceConfig
from source_app.errors import SignpostError
from source_app.mailbox_limiter import REQUESTS_MAX
from source_app.signpost.decision_tree import load as load_signposts
from store.database.engine import open_store
from store.sessions import open_sessions
from web.origin import is_loopback

_STOP_SECONDS = 10  # time that uploads get to finish after a signal to stop


def serve_source(settings: Path) -> None:
    """Check the settings, and serve the source's interface until a signal says to stop.

    Raises:
        DeployError: the settings have faults, a port is taken, or the desk's signed letterhead is refused.
        StoreError: the store cannot be opened, or the sessions' folder is not in memory.
    """
    config = load_config(settings, "source", SourceConfig)
    if config.argon2_at_once + config.argon2_queue + REQUESTS_MAX >= config.threads:
        # All may be in one process. A flood of log-ins and long mailboxes would then occupy all its threads.
        raise ConfigError(
            f"{settings}: [source] 'threads' must exceed 'argon2_at_once' + 'argon2_queue' + {REQUESTS_MAX}."
        )
    if config.tells_onion and not config.onion_host:
        raise ConfigError(f"{settings}: [source] 'tells_onion' needs 'onion_host'.")
    binds = [config.bind, *([f"unix:{config.onion_socket}"] if config.onion_socket else [])]
    for bind in binds:
        refuse_taken_address(bind)
    in_memory = (config.sessions_path.parent, config.argon2_lock_path)
    for folder in in_memory:
        private_folder(folder)
    sessions = open_sessions(config.sessions_path, make_folder=partial(remake_folders, *in_memory))
    # Attack: during the rewrite of a large store, messages that wait to be written occupy all threads.
    store = open_store(store_place(settings, config.store_path, Role.SOURCE), patient=2, of_source=True)
    letterhead = open_letterhead(store, config.fingerprint, config.letterhead_serial_path)
    store.close()
    addresses = (config.bind, config.origin.partition("://")[2])
    if config.onion_host or config.onion_socket or not all(map(is_loopback, addresses)):
        refuse_trial(letterhead, "only a browser on this machine may reach its source's interface")
    try:
        signposts = load_signposts(config.languages)
    except SignpostError as why:  # a data file has a fault
        raise DeployError(str(why)) from why
    # The secret is in memory only. No session on tmpfs can be decrypted without it, so all sessions end with
    # this process.
    server_secret = os.urandom(SECRET_BYTES)

    def build() -> Flask:
        newest = LetterheadWatch(store, config.fingerprint, config.letterhead_serial_path, letterhead)
        return create_source_app(
            config,
            letterhead,
            store,
            sessions,
            server_secret=server_secret,
            signposts=signposts,
            today=lambda: store.now().date(),
            newest_letterhead=newest,
        )

    GunicornServer(
        build, binds=binds, workers=config.workers, threads=config.threads, stop_seconds=_STOP_SECONDS
    ).run(store.settle)
