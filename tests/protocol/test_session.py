from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import UnreadableError
from crypto.passphrase import RootKey
from protocol import session
from protocol.heads import Head
from protocol.identifiers import SOURCE_STRAND, Digest, StrandId

HEAD = Head(SOURCE_STRAND, 7, Digest(b"d" * 32))
UNSEEN = Head(StrandId(b"strand-a"), 1, Digest(b"u" * 32))
STATE = session.SessionState(RootKey(b"r" * 32), b"p" * 1216, ((HEAD,), (UNSEEN,)))
TOKEN, OTHER_TOKEN = b"t" * session.TOKEN_BYTES, b"u" * session.TOKEN_BYTES
SECRET, OTHER_SECRET = b"s" * session.SECRET_BYTES, b"z" * session.SECRET_BYTES


def test_cookie_and_server_together_open_a_session() -> None:
    assert session.open_session(session.seal_session(STATE, TOKEN, SECRET), TOKEN, SECRET) == STATE


def test_neither_the_cookie_nor_the_server_alone_opens_a_session() -> None:
    sealed = session.seal_session(STATE, TOKEN, SECRET)
    for token, secret in ((OTHER_TOKEN, SECRET), (TOKEN, OTHER_SECRET), (SECRET, TOKEN)):
        with pytest.raises(UnreadableError):
            session.open_session(sealed, token, secret)


@given(st.binary(max_size=100))
def test_a_damaged_box_is_unreadable(raw: bytes) -> None:
    with pytest.raises(UnreadableError):
        session.open_session(raw, TOKEN, SECRET)


def test_every_box_has_one_size_and_no_two_are_alike() -> None:
    """The size would otherwise show how many strands a mailbox has, and so which mailbox is open."""
    many = tuple(sorted(Head(SOURCE_STRAND, at, HEAD.digest) for at in range(1, 14)))
    states = [STATE, STATE, replace(STATE, shown=((), ())), replace(STATE, shown=(many, ()))]
    boxes = [session.seal_session(state, TOKEN, SECRET) for state in states]
    assert {len(sealed) for sealed in boxes} == {2304 + 40}
    assert boxes[0] != boxes[1]
    assert [session.open_session(sealed, TOKEN, SECRET) for sealed in boxes] == states


def test_no_root_key_shows_in_a_log() -> None:
    assert "rrr" not in repr(STATE)


def test_the_name_of_a_session_reveals_neither_the_token_nor_a_key() -> None:
    named = session.token_hash(TOKEN)
    assert named == session.token_hash(TOKEN)
    assert named != session.token_hash(OTHER_TOKEN)
    with pytest.raises(UnreadableError):
        session.open_session(session.seal_session(STATE, TOKEN, SECRET), named, SECRET)


def test_a_form_token_serves_one_purpose_of_one_session() -> None:
    given_token = session.form_token(TOKEN, "write")
    assert given_token == session.form_token(TOKEN, "write")
    assert given_token != session.form_token(TOKEN, "end")
    assert given_token != session.form_token(OTHER_TOKEN, "write")
