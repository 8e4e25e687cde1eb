"""Sources who use every function of a site, as a program: HOST PORT SECONDS."""

import sys
import threading
import time

from tests.proofs.test_under_load import BusySource

_SOURCES = 12


def main(host: str, port: int, seconds: int) -> None:
    sources = [BusySource(host, port) for _ in range(_SOURCES)]
    until = time.monotonic() + seconds
    threads = [threading.Thread(target=source.live, args=(until,)) for source in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert min(source.done for source in sources) > 0, "a source did nothing"


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
