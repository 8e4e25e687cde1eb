"""A small disk takes files again after each upload that was too large for it, a hundred times."""

import os
from contextlib import closing

import pytest

from bench import desk_servers
from store import cleanup
from store.database.engine import open_store
from tests.proofs.http_clients import SourceClient, shown_text
from tests.proofs.proof_sizes import REFUSED_UPLOADS, print_result
from tests.small_disk import CAN_MOUNT, a_small_disk
from web.dates import half_hour_now

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not CAN_MOUNT,
        reason="only root may mount a disk; tests/store/database/test_disk_room.py pretends one",
    ),
]

_TOO_LARGE = 80_000_000
_SMALL = 20_000


def test_an_upload_that_is_too_large_never_ends_uploads_for_good() -> None:
    with a_small_disk("96m") as folder:
        desk = desk_servers.set_up(folder / "var", {"reserve_bytes": 8_000_000})
        content, large = os.urandom(_SMALL), {"film.mp4": bytes(_TOO_LARGE)}
        with (
            desk_servers.serving(desk, "source") as site,
            SourceClient(site.host, site.port) as source,
            closing(open_store(desk.path("source", "store_path"))) as store,
        ):
            source.open_mailbox()
            for number in range(REFUSED_UPLOADS):
                refused = source.send(source.write_form(), "de film", large)
                assert 507 == refused.status, shown_text(refused)[:500]
                cleanup.destroy_deleted(store, half_hour_now())
                source.write(f"bericht {number}", {"foto.jpg": content})
            assert f"bericht {REFUSED_UPLOADS - 1}" in shown_text(source.thread_page())
        print_result(
            f"uploads of 80 MB refused on a disk of 96 MB: {REFUSED_UPLOADS}, each followed by a small one"
        )
