"""A recording of a phone can be attached, next to a plain word on what a voice reveals."""

import re

import pytest

from tests.pages import hook
from tests.source_app.desks import ADesk, SourceBrowser


@pytest.mark.parametrize(
    ("lang", "revealed"), [("en", "recognise your voice"), ("nl", "kunnen je stem herkennen")]
)
def test_the_field_for_a_recording_says_what_a_voice_reveals(
    source: SourceBrowser, lang: str, revealed: str
) -> None:
    page = source.get(f"/{lang}/mailbox/write").text
    fold = page.partition(hook("fold", "voice"))[2].partition("</details>")[0]
    (field,) = re.findall(r"<input [^>]*>", fold)

    assert 'type="file" accept="audio/*" capture ' in field  # a phone opens its own recorder
    assert 'name="files"' in field
    described_by = re.findall(r'aria-describedby="([^"]+)"', field)
    assert [name for name in described_by if f'id="{name}"' in fold] == described_by == ["voice-hint"]
    assert revealed in fold


def test_a_recording_and_a_file_arrive_together(a_desk: ADesk, source: SourceBrowser) -> None:
    assert source.write("listen", [("photo.jpg", b"1"), ("recording.m4a", b"2")]).status_code == 303

    entry = a_desk.thread_of(source).entries[-1]
    assert [file.name for file in entry.files] == ["photo.jpg", "recording.m4a"]
