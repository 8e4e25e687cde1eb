"""Photos that take long to examine cannot end the adviser's session or cost typed text."""

import dataclasses
import struct
import time
from pathlib import Path

import pytest

from journalist_app.cleaning.safe_copies import SandboxedExaminer
from journalist_app.services.passing_on import proposal_files
from tests.journalist_app.desk_factories import a_source, a_world
from tests.journalist_app.files.file_factories import a_jpeg
from tests.journalist_app.views.paper import KEY, Paper
from tests.journalist_app.views.test_views import a_browser, proposal_form
from tests.pages import hooks
from tests.proofs.proof_sizes import HOSTILE_PHOTOS, IS_WHOLE, PHOTO_SEGMENTS, print_result

pytestmark = pytest.mark.slow

_SMALL_LIMIT_SECONDS = 2  # in `make test`, instead of two minutes
_GRACE_SECONDS = 10  # the last program is ended, and the page is fetched


def hostile_photo() -> bytes:
    """Return a photo with many EXIF segments, each with one tag."""
    tag = struct.pack("<HHI4s", 0x013B, 2, 4, b"who\0")  # the artist
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + tag + bytes(4)
    segment = b"\xff\xe1" + struct.pack(">H", 2 + len(exif)) + exif
    photo = a_jpeg()
    return photo[:2] + segment * PHOTO_SEGMENTS + photo[2:]


def test_hostile_photos_of_a_source_neither_lock_the_app_nor_cost_typed_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack: the examination of a source's photos takes longer than the time after which the app locks."""
    if not IS_WHOLE:
        monkeypatch.setattr(proposal_files, "EXAMINE_SECONDS", _SMALL_LIMIT_SECONDS)
    world = a_world(tmp_path)
    world.config = dataclasses.replace(world.config, mailbox_bytes=10**9, store_bytes=10**9)
    browser = a_browser(world)
    browser.unlock()
    auto_lock = browser.app.extensions["auto_lock"]
    paper = auto_lock._desk.exporter = Paper(tmp_path, real=SandboxedExaminer())
    paper.may_end.clear()
    source, photo = a_source(world), hostile_photo()
    names = [f"photo-{number}.jpg" for number in range(HOSTILE_PHOTOS)]
    source.writes_with_files(*((name, photo) for name in names))
    where = f"/mailbox/{source.address}"
    browser.get(where)
    form = proposal_form(browser.get(f"{where}/propose"), where, "Word <for> word.", KEY)
    del form["files"]

    since = time.monotonic()
    first = browser.client.post(
        f"{where}/propose", data=form, headers=browser.headers, content_type="multipart/form-data"
    )
    again = first.headers["Refresh"].partition("url=")[2]
    auto_lock._clock = lambda: time.monotonic() + 1_000_000  # the adviser did nothing for eleven days
    waiting = browser.get(again)
    paper.may_end.set()
    while "Refresh" in (last := browser.get(again)).headers:
        time.sleep(0.1)
    lasted = time.monotonic() - since
    is_unlocked = browser.get(where).status_code == 200
    auto_lock.close()

    assert ["0"] == hooks(first.text, "examined") == hooks(waiting.text, "examined")
    assert is_unlocked
    assert "Word &lt;for&gt; word." in waiting.text
    assert "Word &lt;for&gt; word." in last.text
    assert "propose/send" in last.text
    assert all(f"<legend><bdi>{name}</bdi>" in last.text for name in names)
    found = hooks(last.text, "hidden")  # one for each photo
    assert len(found) == len(paper.shares) == HOSTILE_PHOTOS
    if IS_WHOLE:
        assert ["unknown"] * HOSTILE_PHOTOS == found
        assert lasted < proposal_files.EXAMINE_SECONDS + _GRACE_SECONDS
    print_result(
        f"{HOSTILE_PHOTOS} photos of {len(photo) / 1e6:.1f} MB with {PHOTO_SEGMENTS} EXIF segments: "
        f"the examination ended after {lasted:.0f} s, and {found.count('unknown')} were not examined"
    )
