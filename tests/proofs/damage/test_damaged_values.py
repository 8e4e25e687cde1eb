"""One damaged value stops nothing else. Every column of every table gets a value of every kind, by SQL.

The server's store and a workstation's replica are damaged, one value at a time. Then the pages, the
background check, the sweeper and a sync are used.
"""

import re
import tempfile
import time
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from deploy.cli import store_commands
from deploy.errors import LetterheadError
from deploy.pinned_letterhead import inspect_letterhead
from store.database.damaged_rows import count_damaged
from store.database.engine import Store
from store.database.schema import Base
from stored_mailbox.whole_store import verify_store
from tests.proofs.damage.damaged_pair import Pair, a_pair
from tests.proofs.damage.damages import VALUES, Damage, all_damages, write
from tests.proofs.proof_sizes import IS_WHOLE, print_result
from tests.proofs.use_everything import Use, use_replica, use_server

pytestmark = pytest.mark.slow  # a second for each damage

# Without these values, a workstation cannot be used or cannot sync, and one sentence says so (ADR 35).
STOPS = {
    "replica-letterhead-newest-body-*": "locked",
    "replica-letterhead-newest-signature-*": "locked",
    "replica-peer-name-*": "sync is refused: not_paired",
    "replica-peer-card-*": "sync is refused: not_paired",
}
ENDS = ("server", "replica")
# These rows are only in one of the two stores, or an entry has no encrypted part.
NOT_THERE = (
    *("server-sync_finding-*", "server-*record-draft-*", "server-outbox-record-*"),
    *("replica-*attachment-pending-*", "*-sealed-entry-removal-*", "*-sealed-entry-receipt-*"),
)
# What the pages may say about a damaged value: for each hook, the words of sentences that are true of damage.
# Someone read each of these sentences. A sentence says that something is damaged or missing, or names damage
# beside other causes.
TRUE_OF_DAMAGE = {
    "damaged": set(Base.metadata.tables),
    "entry": {"lost", "restored", "unreadable"},
    "failure": {"404", "damaged_file", "gone", "no_report"},
    "fault": {
        *("bad_casefile", "bad_draft", "bad_payload", "damaged_at_server", "damaged_file", "damaged_row"),
        *(
            "false_ending",
            "forged_record_at_server",
            "gone",
            "lost",
            "missing",
            "other_at_server",
            "restored",
        ),
        *("rolled_back", "unreadable", "wrong_keys", "wrong_state"),
    },
    "notice": {
        *("asked", "damaged_rows", "left_out", "lost", "missing", "news", "restored"),
        *("may_take_agreement_back", "must_be_destroyed", "was_in_time"),
    },
    "refusal": {
        *("call_first", "do_not_answer", "file_broken", "letterhead", "missing", "no_mailbox", "unsound")
    },
}
# The place of a signed entry, the number of mailboxes with a warning, and that of missing facts for a report.
_NUMBERS = re.compile(r'data-(entry="(source|desk)-[1-9]\d*|unsound="[12]|strange="-?\d+)"')
# Values of a right type that no page and no command names, because they hurt no one.
NEED_NO_NAME = (
    # The program computes or counts these again, from what is signed or stored.
    *(
        "*-usage-id-*",
        "*-sealed_bytes-*",
        "*-sealed-*-size-*",
        "*-mailbox-version-*",
        "*-mailbox-waiting_since-*",
    ),
    *("*-mailbox-due-*", "*-mailbox-last_day-*", "*-entry-*-epoch-*", "*-attachment-*-peer-*"),
    *("*-attachment-*-is_whole-*", "*-attachment-*-pending_half_hour-null"),
    # The program never reads these columns of such rows.
    *("*-sealed-*-shield-*", "*-sealed-attachment-*-payload-*", "*-sealed-chunk-header-*"),
    *("*-sealed-*_tally-payload-*", "*-sealed-record-*-payload-*", "*-letterhead-newest-serial-*"),
    # No row refers to these ids, or the row that does has no content.
    *("*-ended_mailbox-id-*", "*-mailbox-id-*", "*-peer-id-*", "*-public_file-id-*", "*-sync_finding-id-*"),
    *("*-entry-removed-id-*", "*-entry-removal-id-*", "*-entry-receipt-id-*"),
    # These rows have no header, so that no one can read their content, or belong to an unfinished upload.
    *("*-sealed-entry-removed-*", "*-deletion_queue-*", "*attachment-pending-*"),
    # A sync compares the two stores, and sends again what one of them lacks.
    *("*-outbox-*", "*-peer-*", "*-record-*-is_dropped-*", "*-record-*-goes_to_peers-*"),
    # The workstation keeps its own copy. If the server has a lower revision or no record of this name, the
    # workstation sends its copy in the next sync. Otherwise, the workstation sends its copy after the next
    # change (threat model, "Not stopped").
    "server-record-*",
    # The other machine verifies these when it uses them, and says so.
    *("replica-public_file-*", "server-ended_mailbox-*", "server-sealed-*header-blob"),
    # The page of the yearly report tells a missing fact, unless the fact is a filler.
    *("*-sealed-*_tally-header-*", "*-ledger_tally-digest-*"),
    # The finding itself is still shown.
    *("replica-sync_finding-address-*", "replica-sync_finding-digest-*"),
)


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
    columns: dict[tuple[str, str], list[Damage]] = {}
    for damage in all_damages():
        columns.setdefault((damage.table, damage.column), []).append(damage)
    return [
        (ENDS[place % 2], choices[place // 2 % len(choices)])
        for place, choices in enumerate(columns.values())
    ]


def has_damage(store: Store, pair: Pair, damage: Damage) -> bool:
    """Restore all files, and damage one value. Return False if the table of this store is empty."""
    pair.put_back()
    return write(store.path, damage, {"a": pair.bad.keys.address, **pair.named})


@pytest.fixture(scope="module")
def sound(pair: Pair) -> dict[str, set[str]]:
    """Return what the pages say while no value is damaged."""
    said = {}
    for end, use in (("server", use_server), ("replica", use_replica)):
        pair.put_back()
        used = use(pair)
        assert [] == used.stopped
        said[end] = used.said
    return said


@pytest.mark.parametrize(("end", "damage"), cases(), ids=str)
def test_a_damaged_value_stops_nothing_else_and_is_named(
    pair: Pair, sound: dict[str, set[str]], end: str, damage: Damage
) -> None:
    store, use = (pair.server, use_server) if end == "server" else (pair.replica, use_replica)
    if not has_damage(store, pair, damage):
        assert is_one_of(f"{end}-{damage}", NOT_THERE)
        return
    told = told_to_the_operator(store, pair)

    used = use(pair)

    assert [] == unexpected(used, f"{end}-{damage}")
    said = {each.rpartition(" ")[2] for each in used.said - sound[end]}
    assert [] == [each for each in said if not is_true_of_damage(each)]
    if damage.is_wrong_type:
        assert any(f"in the table {damage.table}" in each for each in told)
        assert end == "server" or said & {f'data-damaged="{damage.table}"', 'data-refusal="letterhead"'}
    else:
        assert told or said or used.stopped or is_one_of(f"{end}-{damage}", NEED_NO_NAME)


def is_true_of_damage(hook: str) -> bool:
    """Return True if a sentence with this hook, such as `data-fault="lost"`, is true of a damaged value."""
    name, _, value = hook.removeprefix("data-").partition("=")
    return value.strip('"') in TRUE_OF_DAMAGE.get(name, ()) or _NUMBERS.fullmatch(hook) is not None


def is_one_of(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(name, each) for each in patterns)


def told_to_the_operator(store: Store, pair: Pair) -> list[str]:
    """Return the sentences of `steunpunt store verify` about faults."""
    world, sentences = pair.ends.world, store_commands.damaged_rows_in(store.path)
    try:
        inspect_letterhead(store, world.keyring.fingerprint, pair.folder / "serial")
    except LetterheadError as why:
        sentences.append(str(why))
    verdicts = verify_store(store, world.letterhead.strand_keys)
    return sentences + [verdict.describe() for verdict in verdicts if not verdict.is_sound]


def unexpected(used: Use, name: str) -> list[str]:
    """Return what stopped, except what the damage with this name may stop (STOPS)."""
    stops = {stop for pattern, stop in STOPS.items() if fnmatch(name, pattern)}
    if not stops:
        return used.stopped
    missing = [f"not reported: {each}" for each in stops.difference(used.stopped)]
    return missing + [each for each in used.stopped if each not in stops and not each.startswith("sync: ")]


@pytest.mark.parametrize("end", ENDS)
def test_every_value_of_a_wrong_type_is_counted_as_damage(pair: Pair, end: str) -> None:
    store = pair.server if end == "server" else pair.replica
    pair.put_back()
    with store.reading() as session:
        assert {} == count_damaged(session)
    first = {(each.table, each.column, each.kind): each for each in reversed(all_damages())}
    written = 0
    for damage in first.values():
        if damage.is_wrong_type and has_damage(store, pair, damage):
            with store.reading() as session:
                assert damage.table in {table for table, _ in count_damaged(session)}, str(damage)
            written += 1
    print_result(f"{written} values of a wrong type were counted as damaged rows ({end})")


def test_the_sources_stay_logged_in_while_the_whole_proof_runs(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each test puts the first sessions back. They ended after an hour, and then all later tests failed."""
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 20 * 3600)
    pair.put_back()

    assert "an answer" in pair.good.browser.get("/en/mailbox").text


def test_the_values_are_of_every_kind() -> None:
    assert {damage.kind for damage in all_damages()} == set(VALUES)
