"""Serve the baseline app with the gunicorn that serves the source interface."""

import sys
from pathlib import Path

from bench import baseline_app
from deploy.serving.gunicorn_server import GunicornServer


def main(path: str, bind: str, workers: str, threads: str) -> None:
    """Serve until SIGTERM."""
    GunicornServer(
        lambda: baseline_app.create_app(Path(path)),
        binds=[bind],
        workers=int(workers),
        threads=int(threads),
        stop_seconds=10,
    ).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
