import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import TooLongError, UnreadableError
from crypto.passphrase import generate_passphrase
from source_app import practice_ticket

SECRET, OTHER_SECRET = b"s" * 32, b"z" * 32


def test_half_a_surrogate_pair_as_a_ticket_is_unreadable() -> None:
    with pytest.raises(UnreadableError):
        practice_ticket.open_ticket("\ud800", SECRET, 1)


def test_a_ticket_keeps_a_passphrase_until_its_half_hour_is_over() -> None:
    passphrase = generate_passphrase("nl")
    made = practice_ticket.seal_ticket(passphrase, SECRET, 986_000)
    assert practice_ticket.open_ticket(made, SECRET, 985_999) == passphrase
    assert practice_ticket.open_ticket(made, SECRET, 986_000) == passphrase
    with pytest.raises(UnreadableError):
        practice_ticket.open_ticket(made, SECRET, 986_001)


def test_a_ticket_does_not_even_reveal_a_length() -> None:
    short, long = (
        practice_ticket.seal_ticket("a", SECRET, 1),
        practice_ticket.seal_ticket("x" * 96, SECRET, 2),
    )
    assert len(short) == len(long)
    assert b"xxxx" not in base64.urlsafe_b64decode(long)


def test_a_ticket_of_another_run_or_changed_is_unreadable() -> None:
    made = practice_ticket.seal_ticket("anker", SECRET, 1)
    with pytest.raises(UnreadableError):
        practice_ticket.open_ticket(made, OTHER_SECRET, 1)
    flipped = ("B" if made[50] != "B" else "C").join((made[:50], made[51:]))
    with pytest.raises(UnreadableError):
        practice_ticket.open_ticket(flipped, SECRET, 1)


@given(st.text())
def test_any_text_as_a_ticket_is_unreadable(carried: str) -> None:
    with pytest.raises(UnreadableError):
        practice_ticket.open_ticket(carried, SECRET, 1)


def test_a_ticket_for_more_than_a_passphrase_is_not_made() -> None:
    with pytest.raises(TooLongError):
        practice_ticket.seal_ticket("x" * 97, SECRET, 1)


def test_the_name_of_a_used_ticket_reveals_nothing_without_the_server() -> None:
    assert len(practice_ticket.spent_ticket_name("anker", SECRET)) == 32
    assert practice_ticket.spent_ticket_name("anker", SECRET) != practice_ticket.spent_ticket_name(
        "molen", SECRET
    )
    assert practice_ticket.spent_ticket_name("anker", SECRET) != practice_ticket.spent_ticket_name(
        "anker", OTHER_SECRET
    )
