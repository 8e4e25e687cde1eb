"""P8: the journey once more in w3m, a browser of text alone, with one file there and one back."""

import os
import re
import secrets
import shlex
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import world
from tests.proofs.player import Adviser, file_links

pytestmark = pytest.mark.slow

_SECONDS = 20


class TextBrowser:
    """w3m in a terminal of its own; looks at the screen and presses keys."""

    def __init__(self, folder: Path, url: str) -> None:
        self._folder = folder
        self._socket = folder / "tmux"
        editor = folder / "editor"
        editor.write_text(f'#!/bin/sh\ncat {shlex.quote(str(folder / "typed"))} > "$1"\n')
        editor.chmod(0o700)
        home = folder / "home"
        home.mkdir()
        command = (
            f"w3m -o accept_language=en -o confirm_qq=false -o use_history=false -cookie {shlex.quote(url)}"
        )
        self._tmux(
            "-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "200",
            "env", f"HOME={home}", f"EDITOR={editor}", "TERM=screen", "sh", "-c", command,
        )  # fmt: skip

    def close(self) -> None:
        self._tmux("kill-server")

    def screen(self) -> str:
        return self._tmux("capture-pane", "-p", "-J")

    def wait_for(self, words: str) -> None:
        """Wait until words stand on the screen, however its lines are broken."""
        pattern = re.compile(r"\s+".join(map(re.escape, words.split())))
        until = time.monotonic() + _SECONDS
        while not pattern.search(self.screen()):
            assert time.monotonic() < until, f"not on the screen: {words}\n{self.screen().strip()}"
            time.sleep(0.1)

    def activate(self, words: str) -> None:
        """Go to a link or button by its words, and press Enter."""
        self._find(words)
        self._keys("Enter")

    def answer(self, label: str, text: str) -> None:
        """Fill in the one-line field after a label."""
        self._find(label)
        self._keys("Tab", "Enter")
        time.sleep(0.3)
        self._tmux("send-keys", "-l", text)
        self._keys("Enter")

    def tick(self, label: str) -> None:
        """Tick the box before a label."""
        self._find(label)
        self._keys("Escape", "Tab", "Enter")

    def write(self, label: str, text: str) -> None:
        """Fill in the text area after a label, in the person's own editor."""
        (self._folder / "typed").write_text(text)
        self._find(label)
        self._keys("Tab", "Enter")
        time.sleep(0.5)

    def save(self, words: str, to: Path) -> None:
        """Download what a link leads to."""
        self._find(words)
        self._keys("Enter")
        self.wait_for("Save file to:")
        self._keys("C-u")
        self._tmux("send-keys", "-l", str(to))
        self._keys("Enter")
        until = time.monotonic() + _SECONDS
        while not to.exists():
            assert time.monotonic() < until, self.screen()
            time.sleep(0.1)
        self.wait_for("Download complete")
        self._keys("B")  # back from the list of downloads

    def _find(self, words: str) -> None:
        self._keys("g")  # from the top of the page
        self._keys("/")
        self._tmux("send-keys", "-l", words)
        self._keys("Enter")

    def _keys(self, *keys: str) -> None:
        for key in keys:
            self._tmux("send-keys", key)
            time.sleep(0.15)

    def _tmux(self, *arguments: str) -> str:
        done = subprocess.run(
            ["tmux", "-S", str(self._socket), *arguments],
            check=True,
            capture_output=True,
            text=True,
            env=os.environ,
        )
        return done.stdout


@pytest.fixture
def browser(tmp_path: Path, source_url: str) -> Iterator[TextBrowser]:
    browser = TextBrowser(tmp_path, f"{source_url}/en/")
    yield browser
    browser.close()


def test_the_journey_in_a_text_browser(browser: TextBrowser, house: world.World, tmp_path: Path) -> None:
    evidence = tmp_path / "evidence.txt"
    evidence.write_text(secrets.token_hex(2000))
    browser.wait_for("Start a mailbox")
    browser.activate("Start a mailbox")
    browser.wait_for("These words are your key")
    shown = re.search(r"^\s*((?:[a-z]{3,9} ){6,7}[a-z]{3,9})\s*$", browser.screen(), re.MULTILINE)
    assert shown is not None
    passphrase = shown[1]
    browser.activate("I have written them down")
    browser.wait_for("Type your words once")
    browser.answer("Your passphrase", passphrase)
    browser.activate("Open my mailbox")
    browser.wait_for("Write a message")
    browser.write("Your message", "Written in a text browser.\nTwo lines.\n")
    browser.answer("Files", str(evidence))
    browser.activate("Send")
    browser.wait_for("We have your message")

    with Adviser(house.adviser.host, house.adviser.port) as adviser:
        adviser.unlock(house.desk.passphrase)
        (path,) = adviser.mailboxes()
        page = adviser.read(path)
        assert b"Written in a text browser." in page.body
        assert adviser.browser.get(file_links(page)["evidence.txt"]).body == evidence.read_bytes()
        assert adviser.answer(path, "Read and understood.", {"advice.txt": b"our advice"}).status == 303

    browser.activate("Log out")
    browser.wait_for("Come back to your mailbox")
    browser.activate("Come back to your mailbox")
    browser.wait_for("Open my mailbox")
    browser.answer("Your passphrase", passphrase)
    browser.activate("Open my mailbox")
    browser.wait_for("There is an answer for you")
    browser.wait_for("Read and understood.")
    browser.save("advice.txt", tmp_path / "fetched.txt")
    assert (tmp_path / "fetched.txt").read_bytes() == b"our advice"
    browser.activate("Delete this message")
    browser.wait_for("Delete this message?")
    browser.activate("Yes, delete it")
    browser.wait_for("This message was deleted.")
    browser.activate("End this mailbox")
    browser.wait_for("End this mailbox?")
    browser.tick("Yes, delete everything")
    browser.activate("End it for good")
    browser.wait_for("Your mailbox has been ended")


def test_the_signpost_in_a_text_browser(browser: TextBrowser) -> None:
    browser.wait_for("Which way fits?")
    browser.activate("Which way fits?")
    browser.wait_for("What is it about?")
    browser.activate("How the ministry did its work")
    browser.wait_for("Do you think someone does this on purpose?")
    browser.activate("Back to the question before")
    browser.wait_for("What is it about?")
    browser.activate("How the ministry did its work")
    browser.activate("No, I think it simply did not go well")
    browser.wait_for("The general complaints procedure fits best here")
    for words in (
        "You got no answer to a letter.",
        "Who sees it",
        "How anonymous you are",
        "Talk it over first",
    ):
        browser.wait_for(words)
    browser.activate("Start a mailbox")
    browser.wait_for("These words are your key")
