import pytest
from sqlalchemy import text

from store import mailboxes
from store.database.engine import Store
from store.database.schema import NO_BYTES, NO_DAY, NO_NUMBER

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
        ("last_author", {"12345": 12345, "NULL": None}, NO_NUMBER),
    ],
)
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
