"""The door lets whole pouches through, and says in one word why it does not."""

import io
from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from protocol.errors import PouchRefusal, PouchRefusedError
from protocol.letterhead import Letterhead
from protocol.pouch.pouch_file import SERVER
from store.errors import StoreBusyError, StoreFullError
from sync import errors, http_endpoint, pouch_stream
from sync.build import build_pouch
from sync.http_endpoint import PATH, create_sync_app
from sync.reasons import BUSY, REASONS, STORE, TOO_LARGE, reason_of
from tests.journalist_app.desk_factories import a_source
from tests.sync.ends import Ends, Workstation, all_of


def at_the_door(ends: Ends) -> FlaskClient:
    return create_sync_app(ends.server).test_client()


def knock(client: FlaskClient, pouch: bytes) -> tuple[int, bytes]:
    with client.post(PATH, data=pouch) as answer:
        return answer.status_code, answer.data


def a_pouch(workstation: Workstation) -> bytes:
    return build_pouch(workstation.side, SERVER, {}).pouch


def test_a_pouch_goes_in_and_what_answers_it_comes_out(ends: Ends) -> None:
    workstation = ends.workstation()
    a_source(ends.world).writes("hello")
    client = at_the_door(ends)

    def through(pouch: bytes) -> bytes:
        status, brought = knock(client, pouch)
        assert status == 200
        (whole,) = pouch_stream.read_pouches(io.BytesIO(brought).read)
        return whole

    ends.sync(workstation, through)

    assert all_of(workstation.replica) == all_of(ends.world.store)


def test_what_is_refused_gets_one_word(ends: Ends) -> None:
    assert knock(at_the_door(ends), b"no pouch") == (422, PouchRefusal.UNREADABLE.encode())


def test_what_is_too_large_is_not_read(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_endpoint, "POUCH_BYTES", 1000)

    assert knock(at_the_door(ends), bytes(2000)) == (413, TOO_LARGE.encode())


def test_a_letterhead_that_is_not_the_desks_is_told_of(ends: Ends) -> None:
    workstation = ends.workstation()
    pouch = a_pouch(workstation)

    def unsound() -> Letterhead:
        raise errors.LetterheadUnsoundError

    ends.server = replace(ends.server, letterhead=unsound)

    assert knock(at_the_door(ends), pouch) == (422, b"letterhead")


def test_no_answer_may_be_kept_and_nothing_else_is_served(ends: Ends) -> None:
    client = at_the_door(ends)

    with client.post(PATH, data=b"x") as refused, client.get("/") as other:
        assert refused.headers["Cache-Control"] == "no-store"
        assert other.status_code == 404


def test_every_refusal_has_a_word() -> None:
    words = {reason_of(PouchRefusedError(reason)) for reason in PouchRefusal}
    words |= {
        reason_of(errors.UnknownWorkstationError()),
        reason_of(errors.RevokedWorkstationError()),
        reason_of(errors.NoRoomError()),
        reason_of(errors.BrokenTransferError()),
        reason_of(errors.LetterheadUnsoundError()),
    }

    assert words < REASONS
    assert reason_of(errors.NotPairedError()) == reason_of(StoreFullError("full")) == STORE
    assert reason_of(StoreBusyError("busy")) == BUSY
    assert errors.RefusedError(BUSY).__reduce__() == (errors.RefusedError, (BUSY,))
