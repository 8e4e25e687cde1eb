"""Consent of the source to the exact text and files that are passed on, up to the recipient's own gpg."""

import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from bench import desk_servers
from tests import source_labels as labels
from tests.browser.keyboard import choose, fetch, fill, follow, open_fold, press, reach, send, tick
from tests.browser.recipient import Recipient
from tests.browser.user_actions import (
    come_back,
    open_labelled,
    open_newest,
    sees,
    selector_of,
    start_mailbox,
    unlock,
    write,
)

pytestmark = pytest.mark.slow

Visit = Callable[..., BrowserContext]

WISH = "Leave out the month, please."
TEXT = "Someone at a mission was asked to sign what was not so."
CHANGED = "Someone abroad was asked to sign what was not so."


def _chunk(kind: bytes, content: bytes) -> bytes:
    return len(content).to_bytes(4) + kind + content + zlib.crc32(kind + content).to_bytes(4)


# One grey pixel, with the name of its author (PNG, third edition, 11.3.3).
PHOTO = b"".join(
    (
        b"\x89PNG\r\n\x1a\n",
        _chunk(b"IHDR", b"\0\0\0\1\0\0\0\1\x08\0\0\0\0"),
        _chunk(b"tEXt", b"Author\0P. Pietersen"),
        _chunk(b"IDAT", zlib.compress(b"\0\x80")),
        _chunk(b"IEND", b""),
    )
)


@dataclass(frozen=True, slots=True)
class Meeting:
    """Source and adviser, each with a browser in which the same mailbox is open."""

    source: Page
    adviser: Page
    passphrase: str
    label: str


_PROPOSE = 'a[href$="/propose"]'
_BEGIN = 'form[action$="/begin"]'
_MAKE = 'form[action$="/make"]'


@pytest.fixture
def meeting(
    visit: Visit, servers: desk_servers.DeskServers, source_url: str, adviser_url: str, tmp_path: Path
) -> Meeting:
    """Open one mailbox, with a question and a photo, for both the source and the adviser."""
    photo = tmp_path / "photo.png"
    photo.write_bytes(PHOTO)
    source, adviser = visit().new_page(), visit().new_page()
    passphrase = start_mailbox(source, source_url)
    choose(source, labels.FILES, [photo])
    write(source, "I was asked to sign what was not so.")
    unlock(adviser, adviser_url, servers.desk.passphrase)
    return Meeting(source, adviser, passphrase, open_newest(adviser, adviser_url))


def _propose(adviser: Page, text: str, words: str = "") -> None:
    """Fill in the form of a proposal, check its preview, and send it to the source."""
    tick(adviser, adviser.get_by_role("radio", name="J. Jansen"))
    fill(adviser, adviser.locator("#text"), text)
    if words:
        open_fold(adviser, "words")
        fill(adviser, adviser.locator("#step_text"), words)
    if not adviser.locator("input[name=chosen]:checked").count():
        reach(adviser, adviser.locator("input[name=chosen]").first)
        adviser.keyboard.press("Space")
    send(adviser, "/propose")
    expect(adviser.locator("#would-go")).to_be_visible(timeout=60_000)  # after the files were examined
    send(adviser, "/propose/send")


def _read_proposal(source: Page, url: str) -> None:
    source.goto(f"{url}/en/mailbox")
    sees(source, "notice", "asked")
    follow(source, labels.READ_PROPOSAL)


def _agree(source: Page) -> None:
    tick(source, labels.AGREE_SURE % {"name": "J. Jansen"})
    press(source, labels.AGREE)
    sees(source, "state", "agreed")


def _open_proposal(adviser: Page, url: str, label: str) -> None:
    open_labelled(adviser, url, label)
    links = adviser.get_by_role("link", name="J. Jansen")
    follow(adviser, links, nth=links.count() - 1)


def _fetch_desk_key(source: Page, url: str, to: Path) -> bytes:
    """Fetch the desk's key from the public page."""
    source.goto(f"{url}/en/seal")
    return fetch(source, "key.asc", to)


def test_a_proposal_is_changed_agreed_to_passed_on_and_opened_by_its_recipient(
    meeting: Meeting, recipient: Recipient, source_url: str, adviser_url: str, tmp_path: Path
) -> None:
    source, adviser = meeting.source, meeting.adviser
    follow(adviser, adviser.locator(_PROPOSE))
    _propose(adviser, TEXT)

    # The source sees the exact text and the file, and asks for a change.
    _read_proposal(source, source_url)
    expect(source.locator("blockquote.exact")).to_have_text(TEXT)
    fill(source, labels.CHANGES, WISH)
    press(source, labels.ASK_FOR_CHANGES)

    _open_proposal(adviser, adviser_url, meeting.label)
    expect(adviser.get_by_text(WISH)).to_be_visible()
    expect(adviser.locator(_BEGIN)).to_have_count(0)
    follow(adviser, adviser.locator('a[href*="/propose?again="]'))
    _propose(adviser, CHANGED, "The month is out, as you asked.")

    source.goto(f"{source_url}/en/mailbox")
    expect(source.locator("[aria-current=step]")).to_contain_text("The month is out, as you asked.")
    _read_proposal(source, source_url)
    expect(source.locator("blockquote.exact")).to_have_text(CHANGED)
    shown = fetch(
        source, "photo", tmp_path / "shown"
    )  # the original, or a cleaned copy where that can be made
    _agree(source)

    # Only after the agreement can the adviser make the file for the recipient.
    _open_proposal(adviser, adviser_url, meeting.label)
    open_fold(adviser, "words")
    fill(adviser, adviser.locator(f"{_BEGIN} [name=next]"), "We bring it there ourselves.")
    send(adviser, "/begin")
    expect(adviser.locator("[data-news=begun]")).to_be_visible()
    source.goto(f"{source_url}/en/mailbox")
    expect(source.locator("[aria-current=step]")).to_contain_text("We bring it there ourselves.")
    reach(adviser, adviser.locator(_MAKE).get_by_role("button"))
    with adviser.expect_download() as download:
        adviser.keyboard.press("Enter")
    handover = tmp_path / "handover.gpg"
    download.value.save_as(handover)

    # The recipient needs only the desk's key, which everyone can fetch.
    recipient.gpg("--import", given=_fetch_desk_key(source, source_url, tmp_path / "key.asc"))
    archive = tmp_path / "handover.zip"
    status = recipient.gpg("--status-fd", "1", "--output", str(archive), "--decrypt", str(handover)).decode()
    source.goto(f"{source_url}/en/seal")
    fingerprint = source.locator(".digest").nth(1).inner_text().replace(" ", "")
    assert f"[GNUPG:] VALIDSIG {fingerprint}" in status
    assert "[GNUPG:] GOODMDC" in status
    with zipfile.ZipFile(archive) as opened:
        text, photo = opened.namelist()
        assert CHANGED == opened.read(text).decode()
        assert shown == opened.read(photo)
    words = meeting.label.split("-")
    assert not [word for word in words if word.encode() in handover.read_bytes() + archive.read_bytes()]

    # The source is told when the file was made, and when it was handed over.
    _open_proposal(adviser, adviser_url, meeting.label)
    fill(adviser, adviser.locator("#how"), "In person, in a closed envelope.")
    send(adviser, "/deliver")
    expect(adviser.locator("[data-news=delivered]")).to_be_visible()
    source.goto(f"{source_url}/en/mailbox")
    now = source.locator("[aria-current=step]")
    expect(now.locator(selector_of("step", "passed_on"))).to_contain_text("J. Jansen")
    expect(now).to_contain_text("In person, in a closed envelope.")
    expect(now.locator("[data-handed-over]")).to_be_visible()


def test_a_proposal_that_the_source_declines_is_not_passed_on(
    meeting: Meeting, source_url: str, adviser_url: str
) -> None:
    follow(meeting.adviser, meeting.adviser.locator(_PROPOSE))
    _propose(meeting.adviser, TEXT)
    _read_proposal(meeting.source, source_url)
    press(meeting.source, labels.DECLINE)
    sees(meeting.source, "state", "declined")

    _open_proposal(meeting.adviser, adviser_url, meeting.label)
    expect(meeting.adviser.locator("[data-state=declined]")).to_be_visible()
    expect(meeting.adviser.locator(_BEGIN)).to_have_count(0)
    expect(meeting.adviser.locator(_MAKE)).to_have_count(0)


def test_withdrawing_consent_too_late_is_refused_and_the_consent_stays_valid(
    visit: Visit, meeting: Meeting, source_url: str, adviser_url: str
) -> None:
    follow(meeting.adviser, meeting.adviser.locator(_PROPOSE))
    _propose(meeting.adviser, TEXT)
    _read_proposal(meeting.source, source_url)
    _agree(meeting.source)

    # In another browser the source opens the proposal, while the adviser begins to pass it on.
    elsewhere = visit().new_page()
    come_back(elsewhere, source_url, meeting.passphrase)
    follow(elsewhere, labels.OPEN_PROPOSAL)
    expect(elsewhere.get_by_role("button", name=labels.TAKE_BACK)).to_be_visible()
    _open_proposal(meeting.adviser, adviser_url, meeting.label)
    send(meeting.adviser, "/begin")
    press(elsewhere, labels.TAKE_BACK)

    sees(elsewhere, "refusal", "too_late")
    sees(elsewhere, "state", "passing_on")
    _open_proposal(meeting.adviser, adviser_url, meeting.label)
    expect(meeting.adviser.locator("p.state [data-state=passing_on]")).to_be_visible()


def test_passing_on_without_agreement_shows_the_source_the_reason(
    meeting: Meeting, source_url: str, adviser_url: str
) -> None:
    reason = "Someone is in danger tonight, and we could not wait for you."
    follow(meeting.adviser, meeting.adviser.locator(_PROPOSE))
    _propose(meeting.adviser, TEXT)
    _open_proposal(meeting.adviser, adviser_url, meeting.label)
    open_fold(meeting.adviser, "without-consent")
    fill(meeting.adviser, meeting.adviser.locator("#reason"), reason)
    tick(meeting.adviser, meeting.adviser.locator("[name=confirmed]"))
    send(meeting.adviser, "/begin-without")
    expect(meeting.adviser.locator("[data-news=begun]")).to_be_visible()

    meeting.source.goto(f"{source_url}/en/mailbox")
    sees(meeting.source, "notice", "without_agreement")
    expect(meeting.source.locator(".refusal")).to_contain_text(reason)
    now = meeting.source.locator("[aria-current=step]")
    expect(now.locator(selector_of("notice", "done_without_agreement"))).to_be_visible()
    _open_proposal(meeting.adviser, adviser_url, meeting.label)
    follow(meeting.adviser, meeting.adviser.locator("a", has=meeting.adviser.locator(".label")).first)
    expect(meeting.adviser.locator("[aria-current=step] [data-step=without_consent]")).to_be_visible()
