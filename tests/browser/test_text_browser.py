"""P8 (works without JavaScript): the same journey in the text browser w3m, with one file in each
direction.
"""

import os
import re
import secrets
import shlex
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import desk_servers
from source_app.signpost import decision_tree
from tests import source_labels as labels
from tests.proofs.http_clients import AdviserClient, file_links

pytestmark = pytest.mark.slow

_SECONDS = 20


class TextBrowser:
    """w3m in its own terminal. Reads the screen and presses keys."""

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
        """Wait until the screen shows these words, with any line breaks."""
        pattern = re.compile(r"\s+".join(map(re.escape, words.split())))
        until = time.monotonic() + _SECONDS
        while not pattern.search(self.screen()):
            assert time.monotonic() < until, f"not on the screen: {words}\n{self.screen().strip()}"
            time.sleep(0.1)

    def activate(self, words: str) -> None:
        """Move to a link or button by its text, and press Enter."""
        self._find(words)
        self._keys("Enter")

    def go_back(self) -> None:
        """Go back to the previous page, with what is typed there."""
        self._keys("B")

    def answer(self, label: str, text: str) -> None:
        """Fill in the single-line field after a label."""
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
        """Fill in the text area after a label, with the editor of w3m's settings."""
        (self._folder / "typed").write_text(text)
        self._find(label)
        self._keys("Tab", "Enter")
        time.sleep(0.5)

    def save(self, words: str, to: Path) -> None:
        """Download the target of a link."""
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
        self._tmux("send-keys", "-l", re.sub(r"[^\w ]", ".", words))  # w3m searches for a regular expression
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


def test_the_journey_in_a_text_browser(
    browser: TextBrowser, servers: desk_servers.DeskServers, tmp_path: Path
) -> None:
    evidence = tmp_path / "evidence.txt"
    evidence.write_text(secrets.token_hex(2000))
    browser.wait_for(labels.START)
    browser.activate(labels.START)
    browser.wait_for(labels.IS_KEY)
    passphrase = _words_on(browser)
    browser.write(labels.FROM_PAPER, passphrase)
    browser.activate(labels.OPEN)
    browser.wait_for(labels.WRITE)
    browser.write(labels.MESSAGE, "Written in a text browser.\nTwo lines.\n")
    for link, found in (
        ("In danger?", "Are you in danger now?"),
        ("Talk instead", "You do not have to write."),
        ("Help", "On this page"),
        ("Nederlands", "Schrijf een bericht"),
    ):
        browser.activate(link)
        browser.wait_for(found)
        browser.go_back()
        browser.wait_for("[Written in a text br]")  # w3m shows 20 characters of each line
    browser.answer(labels.FILES, str(evidence))
    browser.activate(labels.SEND)
    browser.wait_for(labels.HAS_MESSAGE)

    with AdviserClient(servers.adviser.host, servers.adviser.port) as adviser:
        adviser.unlock(servers.desk.passphrase)
        (path,) = adviser.mailboxes()
        page = adviser.read(path)
        assert b"Written in a text browser." in page.body
        assert adviser.browser.get(file_links(page)["evidence.txt"]).body == evidence.read_bytes()
        assert adviser.answer(path, "Read and understood.", {"advice.txt": b"our advice"}).status == 303

    browser.activate(labels.LOG_OUT)
    browser.wait_for(labels.RETURN)
    browser.activate(labels.RETURN)
    browser.wait_for(labels.OPEN)
    browser.write(labels.PASSPHRASE, passphrase)
    browser.activate(labels.OPEN)
    browser.wait_for(labels.HAS_ANSWER)
    browser.wait_for("Read and understood.")
    browser.save("advice.txt", tmp_path / "fetched.txt")
    assert (tmp_path / "fetched.txt").read_bytes() == b"our advice"
    browser.activate(labels.DELETE)
    browser.wait_for(labels.DELETE_ASKED)
    browser.activate(labels.DELETE_IT)
    browser.wait_for(labels.WAS_DELETED)
    browser.activate(labels.END)
    browser.wait_for(labels.END_ASKED)
    browser.tick(labels.END_SURE)
    browser.activate(labels.END_IT)
    browser.wait_for(labels.HAS_ENDED)


def test_another_language_in_a_text_browser_keeps_the_words(browser: TextBrowser) -> None:
    """Fault: the languages of the page with the words and of the log-in page did nothing in w3m."""
    browser.wait_for(labels.START)
    browser.activate(labels.START)
    browser.wait_for(labels.IS_KEY)
    shown = _words_on(browser)
    browser.activate("Nederlands")
    browser.wait_for("Je wachtzin opent je postbus")
    assert _words_on(browser) == shown
    browser.activate("English")
    browser.wait_for(labels.IS_KEY)
    assert _words_on(browser) == shown


def test_another_language_of_the_log_in_page_in_a_text_browser(browser: TextBrowser) -> None:
    browser.wait_for(labels.RETURN)
    browser.activate(labels.RETURN)
    browser.wait_for(labels.OPEN)
    browser.activate("Nederlands")
    browser.wait_for("Open mijn postbus")


def test_the_signpost_in_a_text_browser(browser: TextBrowser) -> None:
    english = decision_tree.load(("en", "nl"))["en"]
    questions = {each.number: each for each in english.question}
    first = questions[english.first]
    slow = first.answers[2]
    second = questions[slow.to]
    (outcome,) = [each for each in english.outcome if each.number == second.answers[0].to]
    browser.wait_for(labels.WHICH_WAY)
    browser.activate(labels.WHICH_WAY)
    browser.wait_for(first.text)
    browser.activate(_first_sentence(slow.text))
    browser.wait_for(second.text)
    browser.activate(labels.PREVIOUS)
    browser.wait_for(first.text)
    browser.activate(_first_sentence(slow.text))
    browser.activate(_first_sentence(second.answers[0].text))
    browser.wait_for(outcome.text)
    for words in (
        english.route[decision_tree.Route.COMPLAINTS].examples[1],
        labels.WHO_SEES,
        labels.HOW_ANONYMOUS,
        labels.TALK_FIRST,
    ):
        browser.wait_for(words)
    browser.activate(labels.START)
    browser.wait_for(labels.IS_KEY)


def _words_on(browser: TextBrowser) -> str:
    shown = re.search(r"^\s*((?:[a-z]{3,9} ){6,7}[a-z]{3,9})\s*$", browser.screen(), re.MULTILINE)
    assert shown is not None
    return shown[1]


def _first_sentence(words: str) -> str:
    """Return the first sentence of a text, because w3m only finds text that is on one line of the screen."""
    return words.partition(".")[0]
