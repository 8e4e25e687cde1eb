"""A full store still serves both interfaces, deletes for good, and can be rewritten by the clean-up."""

import os
import secrets
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from bench import desk_servers, fill, processes
from bench.measures.source_measures import one_post
from bench.source import Source
from bench.timing import interleaved, median
from store import cleanup
from store.database.engine import open_store
from tests.proofs.http_clients import AdviserClient, SourceClient, file_links
from tests.proofs.proof_sizes import MANY_ENTRIES, print_result

pytestmark = pytest.mark.slow

_FEW_ENTRIES = 1_000
_REAL_MAILBOXES = MANY_ENTRIES // 200  # of two or three entries, sealed and signed, for the adviser to verify
_REWRITTEN_ENTRIES = MANY_ENTRIES // 10  # the rewrite needs three times the space of the store
_POSTS = 100
_NOW = int(time.time()) // 1800  # the half hour
_WINDOW_BYTES = 64 * 1024 * 1024


@contextmanager
def a_filled_desk(entries: int, real_mailboxes: int) -> Iterator[desk_servers.Desk]:
    """Create a desk with rows of random bytes in the sizes of real ones, and some real mailboxes."""
    with processes.folder_on_disk() as folder:
        desk = desk_servers.set_up(folder)
        fill.add_random_rows(desk, entries)
        # Random rows only make the store large. The adviser must not see them, since they fail verification.
        with closing(sqlite3.connect(desk.path("source", "store_path"))) as store, store:
            store.execute("UPDATE mailbox SET waiting_since = NULL, last_day = NULL")
        fill.add_mailboxes(desk, real_mailboxes, 2, 3)
        yield desk


@pytest.fixture(scope="module")
def full() -> Iterator[desk_servers.Desk]:
    """Fill one store for both tests, because at full size that takes minutes."""
    with a_filled_desk(MANY_ENTRIES, _REAL_MAILBOXES) as desk:
        yield desk


def ciphertext_of(path: Path, entry_id: str) -> list[bytes]:
    """Return pieces of the ciphertexts of an entry and its files."""
    with closing(sqlite3.connect(path)) as store:
        entry = bytes.fromhex(entry_id)
        rows = store.execute(
            "SELECT header, payload FROM sealed WHERE id IN (SELECT id FROM entry WHERE entry_id = :e"
            " UNION SELECT id FROM attachment WHERE entry_id = :e"
            " UNION SELECT chunk.id FROM chunk JOIN attachment ON attachment.id = attachment_row"
            " WHERE entry_id = :e)",
            {"e": entry},
        ).fetchall()
    columns = [each for row in rows for each in row if each]
    # Not the first line, because every age header begins with the same bytes.
    return [each[at : at + 32] for each in columns for at in (64, len(each) // 2)]


def found_in(path: Path, pieces: list[bytes]) -> int:
    """Count the pieces that occur in the store's files."""
    left = set(pieces)
    for file in path.parent.glob(path.name + "*"):
        with file.open("rb") as opened:
            tail = b""
            while window := opened.read(_WINDOW_BYTES):
                left -= {piece for piece in left if piece in tail + window}
                tail = window[-32:]
    return len(set(pieces)) - len(left)


def test_a_full_store_serves_both_interfaces_and_keeps_no_bytes_of_a_deleted_message(
    full: desk_servers.Desk,
) -> None:
    text, reply = (f"kanarie {secrets.token_hex(12)}" for _ in range(2))
    content = os.urandom(300_000)
    path = full.path("source", "store_path")
    with (
        desk_servers.serving(full, "source") as site,
        desk_servers.serving(full, "adviser") as desk_server,
        SourceClient(site.host, site.port) as source,
        AdviserClient(desk_server.host, desk_server.port) as adviser,
    ):
        passphrase = source.open_mailbox()
        entry_id = source.write(text, {"photo.jpg": content})
        start = time.monotonic()
        adviser.unlock(full.passphrase)
        unlocked_seconds = time.monotonic() - start
        (mailbox,) = _mailboxes_with(path, entry_id)
        page = adviser.read(mailbox)
        assert text.encode() in page.body
        assert content == adviser.browser.get(file_links(page)["photo.jpg"]).body
        assert adviser.answer(mailbox, reply).status == 303
        assert reply.encode() in source.log_in(passphrase).body
        source.write("a second message")

        pieces = ciphertext_of(path, entry_id)
        assert len(pieces) >= 8  # header and payload of the entry, header and chunk of its file
        assert len(set(pieces)) == found_in(path, pieces)
        assert source.press(f"/en/mailbox/delete/{entry_id}", f"/delete/{entry_id}").status == 303
        store = open_store(path)
        cleanup.destroy_deleted(store, _NOW)
        store.close()
        assert 0 == found_in(path, pieces)

        thread = source.thread_page().body
        assert text.encode() not in thread
        assert b"a second message" in thread
        assert text.encode() not in adviser.read(mailbox).body
    size = path.stat().st_size / 1e9
    print_result(
        f"many entries: {MANY_ENTRIES:,} in {size:.1f} GB, {_REAL_MAILBOXES:,} mailboxes real; unlocked in"
        f" {unlocked_seconds:.1f} s; nothing of a deleted message left in the files after one clean-up"
    )


def _mailboxes_with(path: Path, entry_id: str) -> list[str]:
    with closing(sqlite3.connect(path)) as store:
        query = "SELECT address FROM entry WHERE entry_id = ?"
        return [f"/mailbox/{row[0].hex()}" for row in store.execute(query, (bytes.fromhex(entry_id),))]


def test_posting_into_a_full_store_is_measured_beside_a_small_one(full: desk_servers.Desk) -> None:
    """The ratio is printed and not asserted, because a busy machine must not fail a proof."""
    with (
        a_filled_desk(_FEW_ENTRIES, 1) as small,
        desk_servers.serving(small, "source") as first,
        desk_servers.serving(full, "source") as second,
        Source(first.host, first.port) as in_small,
        Source(second.host, second.port) as in_full,
    ):
        in_small.open_mailbox()
        in_full.open_mailbox()
        few, many = interleaved(_POSTS, one_post(in_small), one_post(in_full), warm_ups=10)
    assert _POSTS == len(many)
    print_result(
        f"posting 1 KiB: {median(many) * 1000:.1f} ms into {MANY_ENTRIES:,} entries,"
        f" {median(few) * 1000:.1f} ms into {_FEW_ENTRIES:,}: {median(many) / median(few):.2f} x (aim: 1.2)"
    )


def test_a_full_store_is_rewritten_and_keeps_every_entry() -> None:
    with a_filled_desk(_REWRITTEN_ENTRIES, 10) as desk:
        path = desk.path("source", "store_path")
        with desk_servers.serving(desk, "source") as site, SourceClient(site.host, site.port) as source:
            passphrase = source.open_mailbox()
            source.write("written before the clean-up")
            start = time.monotonic()
            command = [sys.executable, "-m", "deploy.cli.main", "--settings", str(desk.settings)]
            subprocess.run([*command, "store", "sweep"], check=True, capture_output=True, timeout=600)
            seconds = time.monotonic() - start
            source.write("written after the clean-up")
            page = source.log_in(passphrase).body
        with closing(sqlite3.connect(path)) as store:
            kept = store.execute("SELECT count(*) FROM entry").fetchone()[0]
            assert [("ok",)] == store.execute("PRAGMA quick_check").fetchall()
    assert b"written before the clean-up" in page
    assert b"written after the clean-up" in page
    assert kept >= _REWRITTEN_ENTRIES + 2
    print_result(
        f"rewriting {_REWRITTEN_ENTRIES:,} entries: {seconds:.0f} s, with the source's interface running"
    )
