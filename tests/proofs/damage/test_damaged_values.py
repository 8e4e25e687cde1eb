"""One damaged value stops nothing else. Every column of every table gets a value of every kind, by SQL.

The server's store and a workstation's replica are damaged, one value at a time. Then the pages, the
background check, the sweeper and a sync are used.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.cli import store_commands
from store.database.damaged_rows import count_damaged
from store.database.engine import Store
from tests.proofs.damage.damaged_pair import Pair, a_pair
from tests.proofs.damage.damages import VALUES, Damage, all_damages, write
from tests.proofs.proof_sizes import IS_WHOLE, print_result
from tests.proofs.use_everything import Use, use_replica, use_server

pytestmark = pytest.mark.slow  # a second for each damage

# If a value of these is wrong, a whole store cannot be used for something, and a sentence says so.
WHOLE_STORE = {
    "letterhead": ("locked", "sync is refused: letterhead"),
    "peer": ("sync is refused: not_paired", "sync is refused: store"),
}
ENDS = ("server", "replica")
NEVER_RIGHT = ("text", "not_utf8", "real")  # except a text in a column of texts
_STOPS_SYNC = ("sync: ", "sync is refused")


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with tempfile.TemporaryDirectory() as folder:
        made = a_pair(Path(folder))
        yield made
        for store in made.ends.opened:
            store.close()


def cases() -> list[tuple[str, Damage]]:
    """Return every damage at both ends in `make prove`, and otherwise a smaller choice with every column
    once.
    """
    if IS_WHOLE:
        return [(end, damage) for end in ENDS for damage in all_damages()]
    columns: dict[tuple[str, str, str], list[Damage]] = {}
    for damage in all_damages():
        columns.setdefault((damage.table, damage.row, damage.column), []).append(damage)
    return [
        (ENDS[place % 2], choices[place // 2 % len(choices)])
        for place, choices in enumerate(columns.values())
    ]


def has_damage(store: Store, pair: Pair, damage: Damage) -> bool:
    """Restore all files, and damage one value. Return False if the table of this store is empty."""
    pair.put_back()
    return write(store.path, damage, pair.bad.keys.address)


@pytest.mark.parametrize(("end", "damage"), cases(), ids=str)
def test_a_damaged_value_stops_nothing_else(pair: Pair, end: str, damage: Damage) -> None:
    store, use = (pair.server, use_server) if end == "server" else (pair.replica, use_replica)
    if not has_damage(store, pair, damage):
        assert (end, damage.table) == ("server", "sync_finding")  # only a workstation has such rows
        return

    used = use(pair)

    assert [] == unexpected(used, damage)
    if end == "replica" and damage.kind in NEVER_RIGHT and not damage.is_right_type:
        is_told = any(f'data-damaged="{damage.table}"' in said for said in used.said)
        assert is_told or "locked" in used.stopped


def unexpected(used: Use, damage: Damage) -> list[str]:
    """Return what stopped, except what a page is allowed to say about a damaged row of the whole store."""
    allowed = WHOLE_STORE.get(damage.table, ())
    is_said = any(each in used.stopped for each in allowed)
    return [
        each
        for each in used.stopped
        if each not in allowed and not (is_said and each.startswith(_STOPS_SYNC))
    ]


@pytest.mark.parametrize("end", ENDS)
def test_every_value_of_a_wrong_type_is_counted_as_damage(pair: Pair, end: str) -> None:
    store = pair.server if end == "server" else pair.replica
    pair.put_back()
    with store.reading() as session:
        assert {} == count_damaged(session)
    written = 0
    for damage in all_damages(NEVER_RIGHT):
        if damage.is_right_type:
            continue
        if has_damage(store, pair, damage):
            with store.reading() as session:
                assert damage.table in {table for table, _ in count_damaged(session)}, str(damage)
            said = store_commands.damaged_rows_in(store.path)  # as `steunpunt store verify` does
            assert any(f"in the table {damage.table}" in each for each in said), str(damage)
            written += 1
    print_result(f"{written} values of a wrong type were counted as damaged rows ({end})")


@pytest.mark.parametrize(("table", "column"), [("outbox", "pouch_serial"), ("mailbox", "due")])
def test_the_adviser_reads_which_rows_are_damaged(pair: Pair, table: str, column: str) -> None:
    assert has_damage(pair.replica, pair, Damage(table, column, "text"))

    used = use_replica(pair)

    assert any(f'data-damaged="{table}"' in said for said in used.said)


def test_the_values_are_of_every_kind() -> None:
    assert {damage.kind for damage in all_damages()} == set(VALUES)
