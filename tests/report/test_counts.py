"""Counts of a year: each mailbox counts once, and every table adds up to the mailboxes read."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from report.counts import YearCounts, count_year, years_with_mailboxes
from report.tables import counted_line
from tests.report.report_factories import TABLES, a_mailbox

PADDING = "nothing"


def counted(*lines: tuple[int, str, str], year: int = 2026) -> YearCounts:
    return count_year(Counter(lines), year, TABLES, PADDING)


def test_each_mailbox_counts_once_in_its_own_year() -> None:
    gathered = Counter([(2025, "mailbox", "read"), (2026, "mailbox", "read"), (2026, "mailbox", "spam")])
    assert {2025, 2026} == years_with_mailboxes(gathered)
    assert {"read": 1, "ended_unread": 0, "spam": 0} == count_year(gathered, 2025, TABLES, PADDING).mailboxes
    assert {"read": 1, "ended_unread": 0, "spam": 1} == count_year(gathered, 2026, TABLES, PADDING).mailboxes


def test_ended_unread_and_spam_are_in_no_table() -> None:
    counts = counted((2026, "mailbox", "ended_unread"), (2026, "mailbox", "spam"), (2026, PADDING, ""))
    assert 0 == counts.read
    assert 0 == sum(sum(table.values()) for table in counts.tables.values())
    assert not counts.is_empty
    assert 0 == counts.strange


def test_an_empty_year_counts_zeros() -> None:
    counts = counted()
    assert counts.is_empty
    assert {0} == {number for table in counts.tables.values() for number in table.values()}


@pytest.mark.parametrize(
    ("value", "band"),
    [
        ("0", "within_2"),
        ("2", "within_2"),
        ("3", "within_5"),
        ("10", "within_10"),
        ("20", "within_20"),
        ("21", "later"),
        ("none", "none"),
        ("", "not_recorded"),
        ("-1", "other_words"),
        ("²", "other_words"),
    ],
)
def test_working_days_until_the_first_answer_are_counted_in_bands(value: str, band: str) -> None:
    assert band == counted_line(TABLES, "first_answer", value)


def test_passing_on_with_and_without_consent_counts_as_without() -> None:
    assert "without_consent" == counted_line(TABLES, "passed_on", "both")
    assert "other_words" == counted_line(TABLES, "passed_on", "not")


def test_a_word_that_is_not_in_the_settings_gets_no_line_of_its_own() -> None:
    counts = counted((2026, "mailbox", "read"), (2026, "theme", "someone recognisable"))
    assert 1 == counts.tables["theme"]["other_words"]
    assert "someone recognisable" not in counts.tables["theme"]


def test_withheld_tallies_are_detected_and_every_table_still_adds_up() -> None:
    whole = [line for _ in range(4) for line in a_mailbox(random.Random(1), 2026)]
    counts = counted(*whole[1:-1])  # one "read" and one first answer are missing
    assert 4 == counts.read
    assert {4} == {sum(table.values()) for table in counts.tables.values()}
    assert 2 == counts.strange


def test_an_invalid_tally_is_reported_and_not_counted() -> None:
    counts = counted((2026, "shoe_size", "43"), (2026, "mailbox", "unheard"))
    assert 2 == counts.strange
    assert counts.is_empty


_values = st.sampled_from(["", "bullying", "talk", "yes", "3", "none", "both", "elsewhere"])
_dimensions = st.sampled_from([*TABLES, "mailbox", PADDING, "other"])


@given(st.lists(st.tuples(st.just(2026), _dimensions, _values | st.sampled_from(["read", "spam"]))))
def test_every_table_adds_up_for_any_ledger(lines: list[tuple[int, str, str]]) -> None:
    counts = counted(*lines)
    assert {counts.read} == {sum(table.values()) for table in counts.tables.values()}


def test_lines_follow_from_the_settings_alone() -> None:
    assert "other_words" == counted_line({"theme": ()}, "theme", "bullying")
