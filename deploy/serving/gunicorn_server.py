"""Server processes of one app under gunicorn: a master process that has no keys, and its workers."""

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.systemd import sd_notify

from deploy.errors import DeployError
from deploy.hardening import TMPFS
from deploy.ports import listen
from deploy.quiet_log import GunicornLogger, install_quiet_log
from deploy.serving.gc_tuning import collect_from_here
from deploy.serving.gunicorn_worker import QuietWorker

WsgiApp = Callable[..., Any]


class _WatchedArbiter(Arbiter):  # type: ignore[misc]  # gunicorn has no types
    """Loop of the master process. Every second, it also tells systemd that it still runs."""

    def murder_workers(self) -> None:
        super().murder_workers()
        sd_notify("WATCHDOG=1", self.log)


class GunicornServer(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn server for one app, with its settings and its worker processes.

    `build` makes the app. Each worker process calls `build` once, after the fork.
    """

    def __init__(
        self,
        build: Callable[[], WsgiApp],
        *,
        binds: Sequence[str],
        workers: int,
        threads: int,
        stop_seconds: int,
    ) -> None:
        self._build = build  # after the fork: processes share no database connection, lock or thread
        self._binds = binds
        self._settings: dict[str, object] = {
            "workers": workers,
            "threads": threads,
            # Many systems let a process open 1,024 files. gunicorn's default of 1,000 connections would leave
            # too few for the store, and a connection that cannot be accepted ends the worker.
            "worker_connections": 500,
            "worker_class": QuietWorker,
            "logger_class": GunicornLogger,
            "errorlog": None,
            "accesslog": None,
            "worker_tmp_dir": TMPFS,
            "umask": 0o077,
            "timeout": 60,  # seconds; a worker whose main thread hangs this long is replaced
            "graceful_timeout": stop_seconds,
            "keepalive": 5,
            "limit_request_line": 2048,
            "limit_request_fields": 50,
            "limit_request_field_size": 4096,
            "forwarded_allow_ips": "",  # headers of a proxy about a client are ignored
            "forwarder_headers": "",
            "http_parser": "python",
            "control_socket_disable": True,
            "post_fork": self._remember_worker,
        }
        self._worker: QuietWorker | None = None
        super().__init__()

    def run(self, when_stopped: Callable[[], object] = lambda: None) -> None:
        """Serve the app until a signal stops it. After all workers have ended, call `when_stopped`.

        The log contains no addresses and nothing that people sent.

        Raises:
            DeployError: no worker process could start.
        """
        os.environ["TMPDIR"] = TMPFS  # our code writes no temporary files; a library's are in memory
        install_quiet_log(sys.stderr)
        # gunicorn would give a Unix socket its own group, and Tor, which is another user, could not use it.
        # It is a setting, because after SIGHUP gunicorn makes its settings again.
        self._settings["bind"] = [f"fd://{listen(bind).detach()}" for bind in self._binds]
        self.reload()
        collect_from_here()
        master = os.getpid()
        try:
            _WatchedArbiter(self).run()
        except SystemExit as end:
            if end.code and os.getpid() == master:  # gunicorn's own statuses mean something else than ours
                raise DeployError("No worker could start, so the server stopped: read its log.") from end
            raise
        finally:
            when_stopped()

    def load_config(self) -> None:
        """Set gunicorn's settings. gunicorn itself reads no settings file and no command-line arguments."""
        for name, value in self._settings.items():
            self.cfg.set(name, value)

    def load(self) -> WsgiApp:
        """Build the app in a worker, after the fork."""
        return self._build()

    def end_worker(self) -> None:
        """End the current worker process after it has sent the answers that are under way.

        The master process then starts a new worker.
        """
        # Python cannot erase keys from memory. When a process ends, its memory is erased.
        if self._worker is not None:
            self._worker.handle_exit(None, None)

    def _remember_worker(self, _arbiter: object, worker: QuietWorker) -> None:
        self._worker = worker
