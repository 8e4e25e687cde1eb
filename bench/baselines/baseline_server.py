"""Program that serves the baseline app with the same gunicorn settings as the source's site."""

import sys
from pathlib import Path

from bench.baselines import baseline_app
from deploy.serving.gunicorn_server import GunicornServer


def main(path: str, bind: str, workers: str, threads: str) -> None:
    """Serve the baseline app until SIGTERM."""
    GunicornServer(
        lambda: baseline_app.create_app(Path(path)),
        binds=[bind],
        workers=int(workers),
        threads=int(threads),
        stop_seconds=10,
    ).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
