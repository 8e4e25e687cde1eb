"""An adviser who reads and answers all the time, as a program: HOST PORT SECONDS PASSPHRASE."""

import sys
import time

from tests.proofs.test_under_load import BusyAdviser


def main(host: str, port: int, seconds: int, passphrase: str) -> None:
    """Unlock the desk, read the mailboxes and answer."""
    adviser = BusyAdviser(passphrase, host, port)
    adviser.live(time.monotonic() + seconds)
    assert adviser.done
    assert adviser.faults == []


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
