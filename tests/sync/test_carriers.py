"""Foreign servers at the server's address cost the workstation neither memory nor time."""

import itertools
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from sync import carriers
from sync.carriers import UnixCarrier, carrier_of
from sync.errors import ServerRefusedError, SyncRefusal
from sync.exchange import Carrier
from tests.sync.ends import sync_refused

OK = b"HTTP/1.1 200 OK\r\n"
POUCH = b"a pouch"


@pytest.fixture
def listens(short_folder: Path) -> Iterator[Callable[[Iterable[bytes]], UnixCarrier]]:
    """Return a function that starts a server with these bytes as its answer."""
    path = short_folder / "endpoint"
    opened: list[socket.socket] = []

    def says(pieces: Iterable[bytes]) -> UnixCarrier:
        listening = socket.socket(socket.AF_UNIX)
        opened.append(listening)
        listening.bind(str(path))
        listening.listen()

        def serve() -> None:
            line, _ = listening.accept()
            with line, suppress(OSError):
                asked = b""
                while not asked.endswith(POUCH):
                    asked += line.recv(65536)
                for piece in pieces:
                    line.sendall(piece)

        threading.Thread(target=serve, daemon=True).start()
        return UnixCarrier(path)

    yield says
    for listening in opened:
        listening.close()


def asked(carrier: Carrier) -> list[bytes]:
    with carrier.carry(POUCH) as pouches:
        return list(pouches)


def test_pouches_arrive_unchanged(listens: Callable[[Iterable[bytes]], UnixCarrier]) -> None:
    carrier = listens([OK, b"\r\n\0\0\0", b"\5broug", b"\0\0\0\2ht", b"\0\0\0\0and no more"])

    assert asked(carrier) == [b"broug", b"ht"]


@pytest.mark.parametrize(
    "said",
    [
        [],
        [b"SSH-2.0-OpenSSH\r\n"],
        [OK, b"\r\n"],
        [OK, b"\r\n", b"\0\0"],
        [OK, b"\r\n", bytes(4)],
        [OK, b"\r\n", b"\0\0\0\7cut"],
        [OK, b"\r\n", b"\0\0\0\5whole"],
        [OK, b"\r\n", b"\xff\xff\xff\xff", *[bytes(65536)] * 1000],
        [OK, b"Content-Length: 6\r\n\r\n", b"\0\0\0\5whole", bytes(4)],
        [OK, b"Content-Length: -1\r\n\r\n", b"below zero"],
        [OK, b"Transfer-Encoding: chunked\r\n\r\n-1\r\n", *[bytes(65536)] * 1000],
        [OK, b"Transfer-Encoding: chunked\r\n\r\n-5\r\n", bytes(100)],
        [b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", *[bytes(65536)] * 1000],
        [b"HTTP/1.1 403 No\r\n\r\n", *[bytes(65536)] * 1000],
        [b"HTTP/1.1 403 No\r\nContent-Length: 9\r\n\r\nbe afraid"],
    ],
    ids=[
        "nothing",
        "another_protocol",
        "no_pouch",
        "half_a_length",
        "an_end_at_once",
        "cut_off_in_a_pouch",
        "cut_off_behind_a_pouch",
        "too_long",
        "shorter_than_said",
        "length_below_zero",
        "chunk_without_end",
        "chunk_below_zero",
        "refusal_without_end",
        "refusal_without_length",
        "no_word_of_ours",
    ],
)
def test_an_answer_that_our_endpoint_never_gives_counts_as_unreachable(
    listens: Callable[[Iterable[bytes]], UnixCarrier], said: list[bytes]
) -> None:
    with sync_refused(SyncRefusal.UNREACHABLE):
        asked(listens(said))


def test_a_refusal_word_is_a_refusal(listens: Callable[[Iterable[bytes]], UnixCarrier]) -> None:
    carrier = listens([b"HTTP/1.1 403 Forbidden\r\nContent-Length: 7\r\n\r\nrevoked"])

    with pytest.raises(ServerRefusedError) as refused:
        asked(carrier)

    assert refused.value.reason == "revoked"


def _drops() -> Iterator[bytes]:
    yield OK + b"\r\n\0\x10\0\0"
    while True:
        time.sleep(0.05)
        yield b"."


@pytest.mark.parametrize(
    "said", [itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n"), _drops()], ids=["not_yet", "drop_by_drop"]
)
def test_an_answer_that_never_ends_is_cut_off(
    listens: Callable[[Iterable[bytes]], UnixCarrier], said: Iterable[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carriers, "_POUCH_SECONDS", 0.5)

    with sync_refused(SyncRefusal.UNREACHABLE):
        asked(listens(said))


def test_a_socket_without_a_listener_is_unreachable(tmp_path: Path) -> None:
    with sync_refused(SyncRefusal.UNREACHABLE):
        asked(UnixCarrier(tmp_path / "nowhere"))


@pytest.mark.parametrize("server", ["", "onion:short.onion", "ssh:-oProxyCommand=x", "unix:here", "http://x"])
def test_a_server_setting_of_another_form_is_refused(server: str) -> None:
    with pytest.raises(ValueError, match="onion: and an address"):
        carrier_of(server, "127.0.0.1:9050")


def test_ssh_ends_with_our_process_even_if_the_server_keeps_the_connection(tmp_path: Path) -> None:
    """Locking ends the process of the adviser's interface. A hostile server never ends its answer."""
    ssh = tmp_path / "ssh"
    ssh.write_text("#!/bin/sh\ntrap '' HUP INT PIPE TERM\necho $$\nexec sleep 600 >&2\n")
    ssh.chmod(0o700)
    program = (
        "import os; from sync import carriers\n"
        "carriers._read_ssh = lambda output: os.write(1, output.readline())\n"
        "with carriers.SshCarrier('server').carry(b''): os.read(0, 1)"
    )
    path = f"{tmp_path}:{os.environ['PATH']}"
    with subprocess.Popen(
        (sys.executable, "-c", program), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={"PATH": path}
    ) as ours:
        assert ours.stdout is not None
        at_server = os.pidfd_open(int(ours.stdout.readline()))
        ours.kill()
    try:
        assert select.select([at_server], [], [], 30)[0]
    finally:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(at_server, signal.SIGKILL)
        os.close(at_server)
