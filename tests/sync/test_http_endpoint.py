"""The HTTP endpoint answers a pouch with pouches, or with one word of refusal."""

import io
from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from protocol.errors import PouchRefusal, PouchRefusedError
from protocol.letterhead import Letterhead
from protocol.pouch.pouch_file import SERVER
from store.errors import StoreBusyError, StoreFullError, StoreUnreachableError
from sync import http_endpoint, pouch_stream
from sync.build import build_pouch
from sync.errors import ServerRefusedError, SyncRefusal, SyncRefusedError
from sync.http_endpoint import create_sync_app
from sync.pouch_stream import POUCH_PATH
from sync.refusal_words import BUSY, REFUSAL_WORDS, STORE, TOO_LARGE, refusal_word
from tests.journalist_app.desk_factories import a_source
from tests.sync.ends import Ends, Workstation, all_of


def endpoint_client(ends: Ends) -> FlaskClient:
    return create_sync_app(ends.server).test_client()


def knock(client: FlaskClient, pouch: bytes) -> tuple[int, bytes]:
    with client.post(POUCH_PATH, data=pouch) as answer:
        return answer.status_code, answer.data


def a_pouch(workstation: Workstation) -> bytes:
    return build_pouch(workstation.endpoint, SERVER, {}).pouch


def test_a_pouch_is_answered_with_pouches(ends: Ends) -> None:
    workstation = ends.workstation()
    a_source(ends.world).writes("hello")
    client = endpoint_client(ends)

    def through(pouch: bytes) -> bytes:
        status, brought = knock(client, pouch)
        assert status == 200
        (whole,) = pouch_stream.read_pouches(io.BytesIO(brought).read)
        return whole

    ends.sync(workstation, through)

    assert all_of(workstation.replica) == all_of(ends.world.store)


def test_a_refusal_is_one_word(ends: Ends) -> None:
    assert knock(endpoint_client(ends), b"no pouch") == (422, PouchRefusal.UNREADABLE.encode())


def test_a_body_that_is_too_large_is_not_read(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_endpoint, "POUCH_BYTES", 1000)

    assert knock(endpoint_client(ends), bytes(2000)) == (413, TOO_LARGE.encode())


def test_a_foreign_letterhead_in_the_store_has_its_own_word(ends: Ends) -> None:
    workstation = ends.workstation()
    pouch = a_pouch(workstation)

    def unsound() -> Letterhead:
        raise SyncRefusedError(SyncRefusal.LETTERHEAD)

    ends.server = replace(ends.server, letterhead=unsound)

    assert knock(endpoint_client(ends), pouch) == (422, b"letterhead")


def test_no_answer_may_be_cached_and_nothing_else_is_served(ends: Ends) -> None:
    client = endpoint_client(ends)

    with client.post(POUCH_PATH, data=b"x") as refused, client.get("/") as other:
        assert refused.headers["Cache-Control"] == "no-store"
        assert other.status_code == 404


def test_every_refusal_has_a_word() -> None:
    words = {refusal_word(PouchRefusedError(reason)) for reason in PouchRefusal}
    words |= {
        refusal_word(SyncRefusedError(SyncRefusal.UNKNOWN_WORKSTATION)),
        refusal_word(SyncRefusedError(SyncRefusal.REVOKED_WORKSTATION)),
        refusal_word(SyncRefusedError(SyncRefusal.NO_ROOM)),
        refusal_word(SyncRefusedError(SyncRefusal.LETTERHEAD)),
    }

    assert words < REFUSAL_WORDS
    assert refusal_word(SyncRefusedError(SyncRefusal.NOT_PAIRED)) == STORE
    assert refusal_word(StoreFullError("full")) == SyncRefusal.NO_ROOM
    assert refusal_word(StoreBusyError("busy")) == refusal_word(StoreUnreachableError()) == BUSY
    assert ServerRefusedError(BUSY).__reduce__() == (ServerRefusedError, (BUSY,))
