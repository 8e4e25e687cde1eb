"""Files that the adviser looks at without opening them: what is shown, what is refused, and what remains."""

import os
import signal
import time
from pathlib import Path

import pytest

from journalist_app.conversion import conversion_limits
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.desk.shown_files import ShownFile
from journalist_app.errors import ConversionRefusal, FileRefusal, FileRefusedError, MailboxNotFoundError
from journalist_app.services.mailbox import file_looks
from journalist_app.services.mailbox.file_downloads import open_download
from protocol.entry import open_entry
from protocol.identifiers import Address, AttachmentId
from tests.journalist_app.conversion.files_to_convert import OPENLY, a_converter
from tests.journalist_app.desk_factories import TODAY, ASource, World
from tests.journalist_app.files.sealing import age_armour, age_file, recipient_of
from tests.journalist_app.opening import opens
from tests.programs.hostile_programs import are_gone, comes_true, running_with


@pytest.fixture(autouse=True)
def _isolate_nothing(desk: OpenDesk) -> None:
    desk.shown_files.converter = OPENLY


def sent(source: ASource, content: bytes, name: str = "a.bin") -> str:
    signed = source.writes("zie bijlage", file=(name, content))
    (note,) = open_entry(signed, [source.keys.identity]).attachments
    return note.id.hex()


def look(desk: OpenDesk, source: ASource, which: str) -> ShownFile:
    """Begin to look at a file, and wait until its conversion has ended."""
    _, file = file_looks.look_at(desk, source.keys.address, which)
    assert comes_true(lambda: file.is_done)
    return file


def texts_of(desk: OpenDesk, file: ShownFile) -> list[str]:
    pages = [desk.shown_files.page(file, number) for number in range(1, file.count + 1)]
    return [page.words for page in pages if page]


def test_two_files_of_one_name_have_two_names_on_the_page_and_in_a_download(
    desk: OpenDesk, source: ASource
) -> None:
    address = source.keys.address
    source.writes_with_files(("foto.jpg", b"een"), ("Foto.jpg", b"twee"), ("andere.jpg", b"drie"))

    files = opens(desk, address, today=TODAY).entries[-1].files
    downloads = [
        open_download(desk, address, AttachmentId(bytes.fromhex(file.attachment_id)), is_unsealed=is_unsealed)
        for file in files
        for is_unsealed in (False, True)
    ]
    named = [file_looks.find_file(desk, address, file.attachment_id).name for file in files]

    names = ["foto.jpg", "Foto (2).jpg", "andere.jpg"]
    assert names == [file.name for file in files]
    assert names == named
    assert names == [each.name for each in downloads[::2]] == [each.name for each in downloads[1::2]]
    assert [b"een", b"twee", b"drie"] == [b"".join(each.pieces) for each in downloads[::2]]


def test_a_text_is_shown_page_by_page(desk: OpenDesk, source: ASource) -> None:
    which = sent(source, b"a" * conversion_limits.TEXT_CHARS + b"\nb", "brief.txt")
    named, _ = file_looks.look_at(desk, source.keys.address, which)

    file = look(desk, source, which)

    assert ("brief.txt", conversion_limits.TEXT_CHARS + 2) == (named.name, named.size)
    assert ["a" * conversion_limits.TEXT_CHARS, "\nb"] == texts_of(desk, file)
    assert (2, 2, None) == (file.total, file.count, file.refusal)


def test_what_the_source_encrypted_is_decrypted_first(desk: OpenDesk, source: ASource, world: World) -> None:
    file = sent(source, age_file(b"in een bestand", [recipient_of(world)]), "a.age")
    entry = source.writes(f"Dag {age_armour(b'in de tekst', [recipient_of(world)])}")
    pasted = f"{entry.envelope.entry_id.hex()}-1-0"

    assert [["in een bestand"], ["in de tekst"]] == [
        texts_of(desk, look(desk, source, which)) for which in (file, pasted)
    ]
    named, _ = file_looks.look_at(desk, source.keys.address, pasted)
    assert named.size is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", ConversionRefusal.EMPTY),
        (b"7z\xbc\xaf\x27\x1c", ConversionRefusal.ARCHIVE),
        (b"%PDF-1.4 nothing", ConversionRefusal.FAILED),
        (b"age-encryption.org/v1\n-> X25519 x\n", FileRefusal.SEALED),
    ],
)
def test_a_file_that_cannot_be_shown_has_a_reason(
    desk: OpenDesk, source: ASource, content: bytes, reason: ConversionRefusal | FileRefusal
) -> None:
    file = look(desk, source, sent(source, content))

    assert reason is file.refusal_of(1)


def test_a_file_that_is_damaged_inside_its_encryption_is_refused(
    desk: OpenDesk, source: ASource, world: World
) -> None:
    cut = age_file(bytes(300_000), [recipient_of(world)])[:200_000]

    assert FileRefusal.SEALED is look(desk, source, sent(source, cut)).refusal_of(1)


def test_a_stored_file_that_was_changed_is_refused(desk: OpenDesk, source: ASource, world: World) -> None:
    which = sent(source, b"tekst")
    world.execute("UPDATE sealed SET header = zeroblob(2000) WHERE id IN (SELECT id FROM attachment)")

    assert FileRefusal.BROKEN is look(desk, source, which).refusal_of(1)


def test_a_file_that_is_too_large_is_refused(
    desk: OpenDesk, source: ASource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_looks, "FILE_BYTES", 10)

    assert ConversionRefusal.TOO_LARGE is look(desk, source, sent(source, b"x" * 11)).refusal_of(1)


@pytest.mark.parametrize("which", ["00" * 16, "", "../x", f"{'00' * 16}-1-0", f"{'00' * 16}-1"])
def test_a_file_that_the_mailbox_does_not_have_is_not_found(
    desk: OpenDesk, source: ASource, which: str
) -> None:
    with pytest.raises(FileRefusedError) as refused:
        file_looks.look_at(desk, source.keys.address, which)

    assert FileRefusal.MISSING is refused.value.reason


def test_the_pages_of_a_deleted_file_are_dropped(desk: OpenDesk, source: ASource) -> None:
    signed = source.writes("zie bijlage", file=("a.txt", b"geheim"))
    which = open_entry(signed, [source.keys.identity]).attachments[0].id.hex()
    look(desk, source, which)

    source.removes(signed)
    with pytest.raises(FileRefusedError):
        file_looks.look_at(desk, source.keys.address, which)

    assert desk.shown_files.find((source.keys.address, which)) is None
    with pytest.raises(MailboxNotFoundError):
        file_looks.look_at(desk, Address(bytes(20)), which)


# Replaces poppler: says that a PDF has three pages, fails at the first page, and converts the second.
HALF_BROKEN = """
for each; do page=$last; last=$each; done
case "$page" in
    1) exit 1 ;;
    2) printf 'ok 0 14 4\\nP6 1 1 255\\nrgbword' ;;
    *) printf 'ok 0 9\\nPages: 3\\n' ;;
esac
"""


def test_a_page_that_cannot_be_converted_does_not_stop_the_others(
    desk: OpenDesk, source: ASource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("journalist_app.conversion.file_pages.PAGES", 2)
    desk.shown_files.converter = a_converter(tmp_path, HALF_BROKEN)

    file = look(desk, source, sent(source, b"%PDF-1.4"))

    assert ["word"] == texts_of(desk, file)
    assert {1: ConversionRefusal.FAILED} == file.refused_pages
    assert (3, 2, ("Poppler",)) == (file.total, file.count, file.programs)


def test_a_converter_that_is_killed_midway_gives_a_reason(
    desk: OpenDesk, source: ASource, tmp_path: Path
) -> None:
    mark = str(time.time_ns())
    desk.shown_files.converter = a_converter(tmp_path, f"exec /bin/sleep {mark}")
    _, file = file_looks.look_at(desk, source.keys.address, sent(source, b"%PDF-1.4"))

    assert comes_true(lambda: running_with(mark) != [])
    assert desk.is_busy
    for each in running_with(mark):
        os.kill(each, signal.SIGKILL)

    assert comes_true(lambda: file.is_done)
    assert ConversionRefusal.FAILED is file.refusal_of(1)
    assert not desk.is_busy


def test_the_lock_ends_the_converter_and_drops_what_was_converted(
    desk: OpenDesk, source: ASource, tmp_path: Path
) -> None:
    text, pdf, later = (sent(source, each) for each in (b"tekst", b"%PDF-1.4", b"later"))
    shown = look(desk, source, text)
    mark = str(time.time_ns())
    desk.shown_files.converter = a_converter(tmp_path, f"exec /bin/sleep {mark}")
    _, file = file_looks.look_at(desk, source.keys.address, pdf)
    assert comes_true(lambda: running_with(mark) != [])
    _, waiting = file_looks.look_at(desk, source.keys.address, later)

    desk.stop()

    assert comes_true(lambda: file.is_done and waiting.is_done)
    assert are_gone(mark)
    assert desk.shown_files.page(shown, 1) is None
    assert desk.shown_files.find((source.keys.address, text)) is None
    assert {} == waiting.sealed


def test_a_file_gets_limited_time_for_all_its_pages(
    desk: OpenDesk, source: ASource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_looks, "FILE_SECONDS", 0)

    file = look(desk, source, sent(source, b"tekst"))

    assert ConversionRefusal.LIMIT is file.refusal_of(1)
    assert {} == file.sealed
