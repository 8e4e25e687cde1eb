"""`steunpunt demo` starts a marked desk with invented mailboxes, and both sites can be walked."""

import contextlib
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest

from bench.browser import Browser
from deploy.demo.make_demo import PASSPHRASES
from deploy.demo.stories import load_stories
from tests.deploy.servers import ROOT, free_address
from tests.pages import hooks
from tests.proofs.http_clients import AdviserClient, SourceClient
from web.languages import known_languages, read_language

pytestmark = pytest.mark.slow

_TRIAL = read_language("en").trial
_LINK = re.compile(r'href="(/[^"#]*)')
_PAGES_MAX = 90
_DELETED = "Closed: the day of deletion has come"  # the sweeper deletes the mailbox at any moment
_PAGES_AFTER_LOG_IN = ((True, ["begin/log_in"]), (False, ["mailbox/thread"]))  # whether the mailbox has ended


class _Demo:
    """The running command, and the addresses of its two sites."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.source, self.adviser = free_address(), free_address()
        self.said_first: list[str] = []
        self.said_again: list[str] = []
        self.made = b""  # the passphrases after the first start

    @contextlib.contextmanager
    def running(self) -> Iterator[list[str]]:
        """Run the command until the block ends. Yield what it printed until both sites listened."""
        binds = [f"--{name}-bind={host}:{port}" for name, (host, port) in self._addresses()]
        command = [sys.executable, "-m", "deploy.cli.main", "demo", "--folder", str(self.folder), *binds]
        said: list[str] = []
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
            assert process.stdout is not None
            for line in process.stdout:
                said.append(line)
                if line.startswith("Ctrl-C"):
                    break
            try:
                yield said
            finally:
                process.send_signal(signal.SIGTERM)
                said.append(process.communicate()[0])
        assert process.returncode == 0, said

    def _addresses(self) -> list[tuple[str, tuple[str, int]]]:
        return [("source", self.source), ("adviser", self.adviser)]

    def passphrases(self) -> tuple[str, dict[str, str]]:
        """Return the adviser's passphrase, and the passphrase of a mailbox in each state."""
        first, _, *lines = (self.folder / PASSPHRASES).read_text("utf-8").splitlines()
        return first.partition(": ")[2], dict(zip(lines[::3], map(str.strip, lines[2::3]), strict=True))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Demo]:
    """Make a demo, stop it, and start it again."""
    made = _Demo(tmp_path_factory.mktemp("made") / "demo")
    with made.running() as made.said_first:
        pass
    made.made = (made.folder / PASSPHRASES).read_bytes()
    with made.running() as made.said_again:
        yield made


def _walk(browser: Browser, *starts: str, without: str) -> list[str]:
    """Open each page that links lead to, and check that each has the mark. Return the paths."""
    seen: list[str] = []
    left = list(starts)
    while left and len(seen) < _PAGES_MAX:
        path = left.pop(0)
        page = browser.get(path)
        seen.append(path)
        if not page.headers.get("content-type", "").startswith("text/html"):
            continue
        assert (page.status, path) == (200, path)
        assert _TRIAL in page.body.decode(), path
        links = [unescape(each) for each in _LINK.findall(page.body.decode())]
        left += {each for each in links if not re.search(without, each)} - {*seen, *left}
    return seen


def test_every_page_for_sources_has_the_mark_and_every_mailbox_opens(demo: _Demo) -> None:
    with SourceClient(*demo.source) as source:
        assert len(_walk(source.browser, "/en/", without="/leave|^/(?!en/)|/mailbox")) > 15
        for code in known_languages():
            assert read_language(code).trial in source.browser.get(f"/{code}/").body.decode()
        missing = source.browser.get("/en/no-such-page")
        assert (404, True) == (missing.status, _TRIAL in missing.body.decode())
        for state, passphrase in demo.passphrases()[1].items():
            page = source.log_in(passphrase).body.decode()
            assert _TRIAL in page, state
            if not state.startswith(_DELETED):
                assert (state.startswith("Ended"), hooks(page, "page")) in _PAGES_AFTER_LOG_IN, state


def test_every_page_for_advisers_has_the_mark_also_while_the_app_is_locked(demo: _Demo) -> None:
    with AdviserClient(*demo.adviser) as adviser:
        assert _TRIAL in adviser.browser.get("/unlock").body.decode()
        adviser.unlock(demo.passphrases()[0])
        adviser.wait_until_checked()
        lists = [f"/inbox?state={state}" for state in ("waiting", "answered", "closed")]
        seen = _walk(adviser.browser, *lists, without="/look/|/files/|/static/")
        assert sum(re.fullmatch("/mailbox/[0-9a-f]{40}", path) is not None for path in seen) > 24
        inbox = adviser.browser.get("/inbox?state=waiting").body.decode()
        assert not hooks(inbox, "unsound")


def test_the_demo_has_a_mailbox_in_every_state(demo: _Demo) -> None:
    assert {story.state for story in load_stories()} == set(demo.passphrases()[1])
    assert "no proposals" not in "".join(demo.said_first)


def test_the_second_start_continues_with_the_same_demo(demo: _Demo) -> None:
    said = ["".join(each) for each in (demo.said_first, demo.said_again)]
    assert [False, True] == ["This demo was made before" in each for each in said]
    assert demo.made == (demo.folder / PASSPHRASES).read_bytes()
