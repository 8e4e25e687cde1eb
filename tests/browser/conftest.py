"""Fixtures of the browser tests: running servers of both interfaces, and Chromium."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Playwright, sync_playwright

from bench import desk_servers
from bench.chromium import start as start_chromium
from tests.browser.accessible.inspector import fetch_axe
from tests.browser.recipient import Recipient, a_recipient

_NEUTRAL = "https://neutral.example/"


@pytest.fixture(scope="module")
def recipient() -> Iterator[Recipient]:
    with a_recipient() as made:
        yield made


@pytest.fixture(scope="module")
def servers(
    tmp_path_factory: pytest.TempPathFactory, recipient: Recipient
) -> Iterator[desk_servers.DeskServers]:
    """Run both interfaces for the tests of one file, with a fixed address for the quick exit."""
    desk = desk_servers.set_up(tmp_path_factory.mktemp("desk") / "var")
    recipient.add_to_settings(desk)
    settings = desk.settings.read_text("utf-8")
    desk.settings.write_text(
        re.sub(r"^leave_url = .*$", f'leave_url = "{_NEUTRAL}"', settings, flags=re.MULTILINE)
    )
    with desk_servers.serve_all(desk) as running:
        yield running


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="module")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    browser = start_chromium(playwright)
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the script of axe-core."""
    return fetch_axe(tmp_path_factory.mktemp("axe"))


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """Return a function that opens a new browser for one person, without JavaScript by default."""
    opened: list[BrowserContext] = []

    def _visit(*, language: str = "en", javascript: bool = False, width: int = 1000) -> BrowserContext:
        context = chromium.new_context(
            locale=language,
            java_script_enabled=javascript,
            bypass_csp=javascript,  # our own policy also blocks the scripts of a test
            viewport={"width": width, "height": 900},
        )
        context.set_default_timeout(30_000)
        opened.append(context)
        return context

    yield _visit
    for context in opened:
        context.close()


@pytest.fixture
def source_url(servers: desk_servers.DeskServers) -> str:
    return f"http://{servers.source.host}:{servers.source.port}"


@pytest.fixture
def adviser_url(servers: desk_servers.DeskServers) -> str:
    return f"http://{servers.adviser.host}:{servers.adviser.port}"


@pytest.fixture
def big_video(tmp_path: Path) -> Path:
    """Create a file of 300 MB that cannot be compressed and has no repetition within a chunk."""
    path = tmp_path / "video.mp4"
    block = os.urandom(1_000_003)
    with path.open("wb") as video:
        for _ in range(300):
            video.write(block[:1_000_000])
            block = block[1:] + block[:1]
    return path
