from contextlib import closing
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import outerjoin, select, text

from store import mailboxes, public_files
from store.database.damaged_rows import count_damaged
from store.database.engine import Store
from store.database.prepared_statements import PlainQuery
from store.database.schema import (
    NO_BYTES,
    NO_DAY,
    NO_NUMBER,
    NO_WORD,
    CheckedType,
    Day,
    MailboxRow,
    PublicFileRow,
    UsageRow,
    Word,
)
from store.dialect.sqlite_connections import connect
from tests.store.factories import DAY, on_sqlite

NOT_UTF8 = "CAST(x'ff41' AS TEXT)"
KINDS = ("'a text'", NOT_UTF8, "x'00ff'", "12345", "1.5", "NULL")


@pytest.mark.parametrize("value", KINDS)
@pytest.mark.parametrize(
    ("column", "right", "instead"),
    [
        ("recipient", {"x'00ff'": b"\x00\xff"}, NO_BYTES),
        ("opened_day", {}, NO_DAY),
        ("sealed_bytes", {"12345": 12345}, NO_NUMBER),
        ("last_day", {"NULL": None}, NO_DAY),
    ],
)
@on_sqlite
def test_a_value_of_the_wrong_type_is_read_as_a_constant(
    store: Store, address: bytes, column: str, right: dict[str, object], instead: object, value: str
) -> None:
    with store.writing() as session:
        session.execute(text("PRAGMA writable_schema=ON"))
        session.execute(text("UPDATE sqlite_schema SET sql = replace(sql, 'NOT NULL', '')"))
    store.close()  # a new connection reads the schema again
    with store.writing() as session:
        session.execute(text(f"UPDATE mailbox SET {column} = {value}"))  # noqa: S608  # the test's own values

    with store.reading() as session:
        found = mailboxes.find(session, address)

    assert found is not None
    assert right.get(value, instead) == getattr(found, column)


@pytest.mark.usefixtures("address")
def test_null_is_a_damaged_value_also_under_a_label(store: Store) -> None:
    no_row = outerjoin(MailboxRow, UsageRow, UsageRow.id == 0)  # SQLite stores no NULL in this column
    query = PlainQuery(select(UsageRow.sealed_bytes.label("in_store")).select_from(no_row))

    with store.reading() as session:
        assert query.all(session) == [NO_NUMBER]


@on_sqlite
def test_a_text_in_place_of_an_address_is_not_this_address(store: Store) -> None:
    address = b"a" * 20
    with store.writing() as session:
        mailboxes.create_mailbox(session, address=address, recipient=b"r", verify_key=b"v", opened_day=DAY)
        session.execute(text("UPDATE mailbox SET address = CAST(address AS TEXT)"))

    with store.reading() as session:
        assert mailboxes.find(session, address) is None
        assert mailboxes.all_addresses(session) == [NO_BYTES]


@on_sqlite
def test_damaged_rows_are_counted_by_table_and_mailbox(store: Store, address: bytes) -> None:
    with store.writing() as session:
        mailboxes.create_mailbox(session, address=b"b" * 20, recipient=b"r", verify_key=b"v", opened_day=DAY)
        public_files.put(session, "name", b"body")
        session.execute(text("UPDATE mailbox SET due = 'a text' WHERE address = :a"), {"a": address})
        session.execute(text("UPDATE public_file SET body = 'a text'"))

    with store.reading() as session:
        assert count_damaged(session) == {("mailbox", address): 1, ("public_file", NO_BYTES): 1}

    with store.writing() as session:
        session.execute(text("PRAGMA ignore_check_constraints=ON"))
        session.execute(text("UPDATE mailbox SET address = id"))

    with store.reading() as session:
        assert count_damaged(session)["mailbox", NO_BYTES] == 2


@on_sqlite
def test_two_words_that_are_not_utf8_are_not_read_as_one_word(store: Store) -> None:
    with store.writing() as session:
        for name in (b"one", b"two"):
            public_files.put(session, name.decode(), name)
        session.execute(text("UPDATE public_file SET name = CAST(x'ff41' AS TEXT) WHERE body = x'6f6e65'"))
        session.execute(text("UPDATE public_file SET name = CAST(x'fe41' AS TEXT) WHERE body = x'74776f'"))

    with store.reading() as session:
        assert PlainQuery(select(PublicFileRow.name)).all(session) == [NO_WORD, NO_WORD]
        assert [public_files.find(session, name) for name in ("\ufffdA", NO_WORD)] == [None, None]


def read_as_text(store: Store, raw: bytes, column: type[CheckedType]) -> object:
    """Return what a column reads if a row has these bytes as TEXT. The bytes need not be UTF-8."""
    with closing(connect(store.path)) as connection:
        (value,) = connection.execute("SELECT CAST(? AS TEXT)", (raw,)).fetchone()
    return column.read(value)


@pytest.mark.parametrize(
    ("one", "other"),
    [(b"\xffA", b"\xfeA"), (b"\xff", "\ufffd".encode()), (b"\xc3", b"\xe2\x82"), (b"A", b"A\x00")],
)
@on_sqlite
def test_two_texts_are_never_read_as_one_word(store: Store, one: bytes, other: bytes) -> None:
    read = [read_as_text(store, raw, Word) for raw in (one, other)]

    assert read[0] != read[1] or read == [NO_WORD, NO_WORD]


@given(raw=st.one_of(st.binary(max_size=8), st.text(max_size=8).map(str.encode), st.just(b"entry")))
def test_a_text_is_read_as_it_is_stored_or_as_a_constant(raw: bytes) -> None:
    value = raw.decode("utf-8", "replace")  # as the driver decodes it

    assert Word.read(value) in {NO_WORD, value}
    assert Word.read(value).encode() in {b"", raw}


@pytest.mark.parametrize(
    "raw",
    [b"20261123", b"2026-W48-1", b"2026-11-23 ", b"2026-11-23\x00", b"2026-11-2\xff", b"2026-11-23T00", b""],
)
@on_sqlite
def test_a_day_has_one_spelling(store: Store, raw: bytes) -> None:
    assert date(2026, 11, 23) == read_as_text(store, b"2026-11-23", Day)
    assert NO_DAY == read_as_text(store, raw, Day)
