"""Whatever listens where the server should: it takes no memory and no time of the workstation's."""

import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from sync import carriers
from sync.carriers import UnixCarrier, carrier_of
from sync.errors import RefusedError, UnreachableError

OK = b"HTTP/1.1 200 OK\r\n"
POUCH = b"a pouch"


@pytest.fixture
def listens(short_folder: Path) -> Iterator[Callable[[Iterable[bytes]], UnixCarrier]]:
    """Give a server that reads what comes and says these pieces, until nobody hears it any more."""
    path = short_folder / "door"
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


def test_an_answer_that_says_how_long_it_is_comes_through(
    listens: Callable[[Iterable[bytes]], UnixCarrier],
) -> None:
    carrier = listens([OK, b"Content-Length: 5\r\n\r\n", b"bro", b"ugh"])

    assert carrier.carry(POUCH) == b"broug"


@pytest.mark.parametrize(
    "said",
    [
        [],
        [b"SSH-2.0-OpenSSH\r\n"],
        [OK, b"\r\n", b"until the end"],
        [OK, b"Content-Length: 20\r\n\r\n", b"cut off"],
        [OK, b"Content-Length: -1\r\n\r\n", b"below zero"],
        [OK, b"Content-Length: 99999999999\r\n\r\n", *[bytes(65536)] * 1000],
        [OK, b"Transfer-Encoding: chunked\r\n\r\n-1\r\n", *[bytes(65536)] * 1000],
        [OK, b"Transfer-Encoding: chunked\r\n\r\n-5\r\n", bytes(100)],
        [b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", *[bytes(65536)] * 1000],
        [b"HTTP/1.1 403 No\r\nContent-Length: 9\r\n\r\nbe afraid"],
    ],
    ids=[
        "nothing",
        "another_protocol",
        "no_length",
        "cut_off",
        "length_below_zero",
        "too_long",
        "chunk_without_end",
        "chunk_below_zero",
        "refusal_without_end",
        "no_word_of_ours",
    ],
)
def test_an_answer_that_our_door_does_not_give_is_a_broken_line(
    listens: Callable[[Iterable[bytes]], UnixCarrier], said: list[bytes]
) -> None:
    with pytest.raises(UnreachableError):
        listens(said).carry(POUCH)


def test_a_word_of_ours_is_a_refusal(listens: Callable[[Iterable[bytes]], UnixCarrier]) -> None:
    carrier = listens([b"HTTP/1.1 403 Forbidden\r\nContent-Length: 7\r\n\r\nrevoked"])

    with pytest.raises(RefusedError) as refused:
        carrier.carry(POUCH)

    assert refused.value.reason == "revoked"


def _drops() -> Iterator[bytes]:
    yield OK + b"Content-Length: 1000000\r\n\r\n"
    while True:
        time.sleep(0.05)
        yield b"."


@pytest.mark.parametrize(
    "said", [itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n"), _drops()], ids=["not_yet", "drop_by_drop"]
)
def test_an_answer_that_never_ends_is_given_up(
    listens: Callable[[Iterable[bytes]], UnixCarrier], said: Iterable[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carriers, "_LONGEST_SECONDS", 0.5)

    with pytest.raises(UnreachableError):
        listens(said).carry(POUCH)


def test_where_nobody_listens_the_server_is_not_reached(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError):
        UnixCarrier(tmp_path / "nowhere").carry(POUCH)


@pytest.mark.parametrize("server", ["", "onion:short.onion", "ssh:-oProxyCommand=x", "unix:here", "http://x"])
def test_a_way_that_is_none_is_refused(server: str) -> None:
    with pytest.raises(ValueError, match="onion: and an address"):
        carrier_of(server, "127.0.0.1:9050")
