import signal
import socket
import time
from pathlib import Path

import pytest

from tests.deploy.servers import toy_server

pytestmark = pytest.mark.slow


def test_systemd_hears_from_the_server_and_a_reload_keeps_its_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.settimeout(60)
        systemd.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        with toy_server(tmp_path) as server:
            _, worker = server.get("/process")

            server.process.send_signal(signal.SIGHUP)

            for _ in range(600):
                if server.get("/process")[1] != worker:
                    break
                time.sleep(0.05)
            assert server.get("/process")[1] != worker
            heard = {systemd.recv(100).split(b"\n")[0] for _ in range(2)}
            assert heard == {b"READY=1", b"WATCHDOG=1"}
