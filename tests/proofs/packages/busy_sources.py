"""Sources who use a site, as a program: HOST PORT SECONDS."""

import sys
import threading
import time

from source_app.mailbox_limiter import REQUESTS_MAX
from tests.proofs.http_clients import SourceClient
from tests.proofs.test_under_load import BusySource

_SOURCES = REQUESTS_MAX  # if more use one process of the server, it may tell one of them to come back later


def main(host: str, port: int, seconds: int) -> None:
    """Write a first message and log in again. Then use every function for some seconds."""
    with SourceClient(host, port) as source, SourceClient(host, port) as later:
        passphrase = source.open_mailbox()
        source.write("a first message")
        assert "a first message" in later.log_in(passphrase).body.decode()
    sources = [BusySource(host, port) for _ in range(_SOURCES if seconds else 0)]
    until = time.monotonic() + seconds
    threads = [threading.Thread(target=source.live, args=(until,)) for source in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(source.done for source in sources), "a source did nothing"
    assert [fault for source in sources for fault in source.faults] == []


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
