from dataclasses import replace

import pytest

from protocol.heads import Head
from protocol.identifiers import Address, Digest, EntryId, StrandId
from stored_mailbox.entry_form import FormContext

TOKEN = b"t" * 32
ADDRESS = Address(b"a" * 20)
SEEN = Head(StrandId(b"desk-one"), 3, Digest(b"s" * 32))
NOT_SEEN = Head(StrandId(b"desk-two"), 1, Digest(b"n" * 32))
SHOWN = FormContext.new(ADDRESS, (SEEN,), (NOT_SEEN,))


def fields_of(shown: FormContext, action: str = "write") -> dict[str, str]:
    return {**shown.hidden_fields(TOKEN, action), "text": "words"}


def test_a_form_comes_back_as_it_was_shown() -> None:
    assert FormContext.of_form(fields_of(SHOWN), TOKEN, "write", ADDRESS) == SHOWN


def test_each_form_adds_another_entry() -> None:
    assert FormContext.new(ADDRESS, (), ()).entry_id != FormContext.new(ADDRESS, (), ()).entry_id


@pytest.mark.parametrize(
    "other",
    [
        replace(SHOWN, address=Address(b"b" * 20)),
        replace(SHOWN, entry_id=EntryId(bytes(16))),
        replace(SHOWN, heads=(NOT_SEEN,)),
        replace(SHOWN, heads=(SEEN, NOT_SEEN), unseen=()),
        replace(SHOWN, heads=(), unseen=(SEEN, NOT_SEEN)),
        replace(SHOWN, unseen=()),
    ],
)
def test_the_token_of_one_form_does_not_fit_another(other: FormContext) -> None:
    mixed = {**fields_of(other), "token": fields_of(SHOWN)["token"]}

    assert FormContext.of_form(fields_of(other), TOKEN, "write", other.address) == other
    assert FormContext.of_form(mixed, TOKEN, "write", other.address) is None
    assert FormContext.of_form(fields_of(other), TOKEN, "write", ADDRESS) == (
        other if other.address == ADDRESS else None
    )


def test_a_form_fits_one_action_in_one_session() -> None:
    fields = fields_of(SHOWN)

    assert FormContext.of_form(fields, TOKEN, "end", ADDRESS) is None
    assert FormContext.of_form(fields, b"u" * 32, "write", ADDRESS) is None


@pytest.mark.parametrize(
    "odd",
    [
        {"entry_id": "zz"},
        {"heads": "é"},
        {"heads": ""},
        {"heads": "00" * 4},
        {"heads": "00" * 12},
        {"heads": SHOWN.hidden_fields(TOKEN, "write")["heads"] + "00"},
        {"token": "\ud800"},
    ],
)
def test_hidden_fields_in_another_form_are_refused_and_never_raise(odd: dict[str, str]) -> None:
    assert FormContext.of_form({**fields_of(SHOWN), **odd}, TOKEN, "write", ADDRESS) is None
    assert FormContext.of_form({}, TOKEN, "write", ADDRESS) is None
