"""An adviser who looks at a file of a source without opening the file, as a program: HOST PORT PASSPHRASE."""

import re
import sys
import time

from tests.proofs.http_clients import AdviserClient


def main(host: str, port: int, passphrase: str) -> None:
    """Unlock the desk, and wait until the first page of the file is shown."""
    with AdviserClient(host, port) as adviser:
        adviser.unlock(passphrase)
        thread = adviser.read(adviser.mailboxes("answered")[0]).body.decode()
        link = re.search(r'href="([^"]*/look/[0-9a-f]{32}/1)"', thread)
        assert link is not None
        while "refresh" in (shown := adviser.read(link[1])).headers:
            time.sleep(0.2)
    assert b"/1/picture" in shown.body, shown.body.decode()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
