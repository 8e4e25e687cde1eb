"""Fixtures for the source's interface."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from protocol.mailbox_keys import MailboxKeys
from tests.source_app.desks import ADesk, SourceBrowser, make_desk


@pytest.fixture
def a_desk(tmp_path: Path) -> Iterator[ADesk]:
    """Return a desk with an empty store."""
    desk = make_desk(tmp_path)
    yield desk
    desk.store.close()


@pytest.fixture
def source(a_desk: ADesk) -> SourceBrowser:
    """Return the browser of a source who has written."""
    browser = a_desk.browser()
    browser.start()
    browser.write("the first message")
    return browser


@pytest.fixture
def keys(a_desk: ADesk, source: SourceBrowser) -> MailboxKeys:
    return a_desk.keys_of(source)
