"""A flood of wrong log-ins keeps no one out, also if the attackers use their places in the queue."""

import asyncio
import contextlib
import re
import time
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from urllib.parse import urlencode

import pytest

from bench import desk_servers
from tests.proofs.http_clients import SourceClient
from tests.proofs.proof_sizes import FLOOD_ATTACKERS, FLOOD_PEOPLE, IS_WHOLE, print_result

pytestmark = pytest.mark.slow

_PLACE = re.compile(rb'name="place" value="([^"]*)"')
_BEFORE_SECONDS = 5 if IS_WHOLE else 2  # the flood is at full strength when the people come
_LIMIT_SECONDS = 60
_TRIES_MAX = 30


@dataclass
class Visitor:
    """Visitor with one connection, who sends log-in forms and remembers the place of the last answer."""

    host: str
    port: int
    keeps_place: bool
    passphrase: str
    place: str = ""
    statuses: list[int] = field(default_factory=list)
    wait_seconds: int = 0

    async def try_once(self) -> int:
        """Send a log-in form on a new connection, and return the status of the answer."""
        form = {"words": self.passphrase, "place": self.place if self.keeps_place else ""}
        body = urlencode(form).encode()
        head = (
            f"POST /en/log-in HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nConnection: close\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        answer = b""
        with contextlib.suppress(OSError):  # the server has no room for this connection
            reader, writer = await asyncio.open_connection(self.host, self.port)
            with contextlib.closing(writer):
                writer.write(head.encode() + body)
                answer = await reader.read(-1)
        if not answer:
            return 0
        status = int(answer.split(b" ", 2)[1])
        self.statuses.append(status)
        place = _PLACE.search(answer) if status == 503 else None
        self.place = unescape(place[1].decode()) if place else ""
        wait = re.search(rb"Retry-After: (\d+)", answer)
        self.wait_seconds = int(wait[1]) if wait else 0
        return status

    async def attack(self) -> None:
        """Send wrong passphrases until the end, each as soon as the answer to the last one is there."""
        while True:
            if await self.try_once() == 0:
                await asyncio.sleep(0.05)

    async def log_in(self) -> float:
        """Log in as the pages say: wait, then press the button again. Return how many seconds this took."""
        since = time.monotonic()
        for _ in range(_TRIES_MAX):
            if await self.try_once() == 303:
                break
            await asyncio.sleep(self.wait_seconds)
        return time.monotonic() - since


@pytest.mark.parametrize("keeps_place", [False, True], ids=["without places", "with places"])
def test_everyone_with_the_right_words_gets_in(tmp_path: Path, *, keeps_place: bool) -> None:
    desk = desk_servers.set_up(tmp_path / "var")
    with desk_servers.serving(desk, "source") as server:
        address = (server.host, server.port)
        passphrases = []
        for _ in range(FLOOD_PEOPLE):
            with SourceClient(*address) as source:
                passphrases.append(source.open_mailbox())
        attackers = [
            Visitor(*address, keeps_place, "these are the wrong words") for _ in range(FLOOD_ATTACKERS)
        ]
        people = [Visitor(*address, keeps_place=True, passphrase=each) for each in passphrases]
        seconds = asyncio.run(_flood(attackers, people))
    tries = sum(len(each.statuses) for each in people)
    runs = sum(status != 503 for each in attackers for status in each.statuses)
    refused = sum(status == 503 for each in attackers for status in each.statuses)
    assert [each.statuses[-1] for each in people] == [303] * FLOOD_PEOPLE
    assert refused > FLOOD_ATTACKERS  # there was a flood
    if IS_WHOLE:
        assert max(seconds) <= _LIMIT_SECONDS
    print_result(
        f"flood: {FLOOD_ATTACKERS} attackers {'with' if keeps_place else 'without'} places sent "
        f"{runs + refused} forms, {runs} of which were tried; {FLOOD_PEOPLE} people made {tries} tries and "
        f"were in after {', '.join(f'{each:.0f}' for each in sorted(seconds))} s"
    )


async def _flood(attackers: list[Visitor], people: list[Visitor]) -> list[float]:
    flood = [asyncio.create_task(each.attack()) for each in attackers]
    await asyncio.sleep(_BEFORE_SECONDS)
    seconds = await asyncio.gather(*(each.log_in() for each in people))
    for each in flood:
        each.cancel()
    await asyncio.gather(*flood, return_exceptions=True)
    return list(seconds)
