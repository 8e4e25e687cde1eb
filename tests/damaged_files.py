"""Damages of an attached file in the store: one table of SQL statements, for the tests of both sites.

Each statement damages the file whose id is the parameter `file`. `other` is the id of another file of the
same mailbox, and `foreign` the id of a file of another mailbox. All three have three chunks.
"""

import os

from store.database.engine import Store
from tests.stores import as_operator

CONTENT, OTHER, FOREIGN = (os.urandom(2_400_000) for _ in range(3))
_ROW = "(SELECT id FROM attachment WHERE attachment_id = :file)"
_OTHER_ROW = "(SELECT id FROM attachment WHERE attachment_id = :other)"
_FOREIGN_ROW = "(SELECT id FROM attachment WHERE attachment_id = :foreign)"


def _chunk(number: int, row: str = _ROW) -> str:
    return f"(SELECT id FROM chunk WHERE attachment_row = {row} AND number = {number})"


def _set(column: str, row: str, value: str) -> str:
    return f"UPDATE sealed SET {column} = {value} WHERE id = {row}"


def _bytes_of(column: str, row: str) -> str:
    return f"(SELECT {column} FROM sealed WHERE id = {row})"


def _flipped(column: str, at: str) -> str:
    """Return `column` with another byte at the place `at`, which counts from 1."""
    byte = f"CASE substr({column}, {at}, 1) WHEN x'00' THEN x'01' ELSE x'00' END"
    return f"CAST(substr({column}, 1, {at} - 1) || {byte} || substr({column}, {at} + 1) AS BLOB)"


# Wrong values of one column. `{0}` is the column.
_VALUES = {
    "gone": "NULL",
    "empty": "x''",
    "first byte flipped": _flipped("{0}", "1"),
    "middle byte flipped": _flipped("{0}", "length({0}) / 2"),
    "last byte flipped": _flipped("{0}", "length({0})"),
    "one byte short": "substr({0}, 1, length({0}) - 1)",
    "half": "substr({0}, 1, length({0}) / 2)",
    "without its first byte": "substr({0}, 2)",
    "one byte more": "CAST({0} || x'00' AS BLOB)",
    "zeros": "zeroblob(length({0}))",
    "a text": "'a text'",
    "not UTF-8": "CAST(x'ff41' AS TEXT)",
    "a number": "-12345",
    "a fraction": "1.5",
}
_NUMBERS = {
    "none": "0",
    "one fewer": "chunks - 1",
    "one more": "chunks + 1",
    "below zero": "-1",
    "huge": "1000000000",
    "a text": "'a text'",
    "a fraction": "1.5",
    "bytes": "x'00ff'",
}


def _damages() -> dict[str, str]:
    found = {}
    for number, place in enumerate(("first", "middle", "last")):
        one, next_number = _chunk(number), (number + 1) % 3
        found |= {
            f"{place} chunk: {how}": _set("payload", one, value.format("payload"))
            for how, value in _VALUES.items()
        }
        found |= {
            f"{place} chunk: row gone": f"DELETE FROM chunk WHERE id = {one}",
            f"{place} chunk: ciphertext gone": f"DELETE FROM sealed WHERE id = {one}",
            f"{place} chunk: another number": f"UPDATE chunk SET number = 99 WHERE id = {one}",
            f"{place} chunk: number a text": f"UPDATE chunk SET number = 'a text' WHERE id = {one}",
            f"{place} chunk: of another file": _set(
                "payload", one, _bytes_of("payload", _chunk(number, _OTHER_ROW))
            ),
            f"{place} chunk: of another mailbox": _set(
                "payload", one, _bytes_of("payload", _chunk(number, _FOREIGN_ROW))
            ),
            f"{place} chunk: repeats the next": _set(
                "payload", one, _bytes_of("payload", _chunk(next_number))
            ),
            f"{place} chunk: moved to another file": (
                f"UPDATE chunk SET attachment_row = {_OTHER_ROW}, number = 7 WHERE id = {one}"
            ),
        }
        found[f"chunks {number} and {next_number} swapped"] = (
            f"UPDATE chunk SET number = CASE id WHEN {one} THEN {next_number} + 10 ELSE {number} + 10 END"
            f" WHERE id IN ({one}, {_chunk(next_number)});"
            f" UPDATE chunk SET number = number - 10 WHERE number > 9 AND attachment_row = {_ROW}"
        )
    found |= {
        f"header: {how}": _set("header", _ROW, value.format("header")) for how, value in _VALUES.items()
    }
    found |= {
        f"count: {how}": f"UPDATE attachment SET chunks = {value} WHERE id = {_ROW}"
        for how, value in _NUMBERS.items()
    }
    for name, row in (("file", _OTHER_ROW), ("mailbox", _FOREIGN_ROW)):
        found[f"header: of another {name}"] = _set("header", _ROW, _bytes_of("header", row))
        found[f"all chunks of another {name}"] = (
            f"UPDATE chunk SET attachment_row = -1 WHERE attachment_row = {_ROW};"
            f" UPDATE chunk SET attachment_row = {_ROW} WHERE attachment_row = {row}"
        )
        found[f"the whole of another {name}"] = (
            found[f"all chunks of another {name}"] + "; " + found[f"header: of another {name}"]
        )
    found |= {
        "file: row gone": f"DELETE FROM attachment WHERE id = {_ROW}",
        "file: header row gone": f"DELETE FROM sealed WHERE id = {_ROW}",
        "file: in another mailbox": (
            "UPDATE attachment SET address = (SELECT address FROM attachment WHERE attachment_id = :foreign)"
            f" WHERE id = {_ROW}"
        ),
        "file: another id": f"UPDATE attachment SET attachment_id = zeroblob(16) WHERE id = {_ROW}",
        "file: id a text": f"UPDATE attachment SET attachment_id = 'a text' WHERE id = {_ROW}",
        "file: pending again": f"UPDATE attachment SET pending_half_hour = 1 WHERE id = {_ROW}",
        "file: pending, a text": f"UPDATE attachment SET pending_half_hour = 'a text' WHERE id = {_ROW}",
    }
    return found


DAMAGES = _damages()
# Columns on which a download does not depend: the file is given whole.
HARMLESS = {
    "file: entry a text": f"UPDATE attachment SET entry_id = 'a text' WHERE id = {_ROW}",
    "file: in another entry": (
        f"UPDATE attachment SET entry_id = (SELECT entry_id FROM attachment WHERE id = {_OTHER_ROW})"
        f" WHERE id = {_ROW}"
    ),
    "file: in no entry": f"UPDATE attachment SET entry_id = zeroblob(16) WHERE id = {_ROW}",
    "file: not whole": f"UPDATE attachment SET is_whole = FALSE WHERE id = {_ROW}",
    "file: of a peer": f"UPDATE attachment SET peer = x'0102030405060708' WHERE id = {_ROW}",
    "size: a text": _set("size", _ROW, "'a text'"),
    "shield: gone": _set("shield", _chunk(1), "x''"),
}


def damage(store: Store, how: str, *, file: str, other: str, foreign: str) -> None:
    """Damage a file in the store of a site that is running. The ids are hexadecimal."""
    ids = {"file": bytes.fromhex(file), "other": bytes.fromhex(other), "foreign": bytes.fromhex(foreign)}
    with as_operator(store) as operator:
        for statement in (DAMAGES | HARMLESS)[how].split("; "):
            used = {name: value for name, value in ids.items() if f":{name}" in statement}
            operator.execute(statement, used)
    assert operator.changed, how
