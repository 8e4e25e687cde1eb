"""Disclosure control: no attacker can find or rule out a hidden count."""

import inspect
import sys
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from report import disclosure
from report.counts import YearCounts
from report.disclosure import Audience, Floors, rounded, treat
from report.errors import FloorError
from report.tables import NEVER_SHOWN
from tests.report.attacker import Solver, broken_by_census
from tests.report.report_factories import TABLES, one_table

FLOORS = Floors()
SMALLEST = Floors(public=10, sg=5)


@pytest.mark.slow
@pytest.mark.parametrize("audience", Audience)
@pytest.mark.parametrize(("lines", "most"), [(1, 60), (2, 48), (3, 30)])
def test_in_every_year_a_hidden_count_can_be_0_and_one_less_than_the_floor(
    audience: Audience, lines: int, most: int
) -> None:
    assert [] == broken_by_census(treat, audience, lines=lines, most=most, floors=FLOORS)


@pytest.mark.slow
@pytest.mark.parametrize("floors", [Floors(10, 10), Floors(20, 5), Floors(15, 10)])
@pytest.mark.parametrize("audience", Audience)
def test_other_floors_keep_the_guarantee_too(floors: Floors, audience: Audience) -> None:
    assert [] == broken_by_census(treat, audience, lines=2, most=44, floors=floors)


_counts = st.one_of(st.integers(0, 14), st.integers(0, 14), st.integers(0, 160))


@st.composite
def _years(draw: st.DrawFn) -> list[YearCounts]:
    """Draw years. Each table adds up to the mailboxes read, and only answered sources come back."""
    years = []
    for year in range(2024, 2024 + draw(st.integers(1, 3))):
        tables = {name: {line: draw(_counts) for line in lines} for name, lines in TABLES.items()}
        read = max(sum(lines.values()) for lines in tables.values()) + draw(st.integers(0, 12))
        answered = read - tables["first_answer"]["none"]
        tables["came_back"]["yes"] = min(tables["came_back"]["yes"], answered)
        for lines in tables.values():
            lines |= dict(zip(NEVER_SHOWN, (read - sum(lines.values()), 0), strict=True))
        years.append(
            YearCounts(year, {"read": read, "ended_unread": draw(_counts), "spam": draw(_counts)}, tables)
        )
    return years


@given(_years())
def test_an_attacker_with_all_years_and_all_versions_learns_no_hidden_count(years: list[YearCounts]) -> None:
    for year in years:  # years are independent: each mailbox counts in one year alone
        most = year.read + 2 * FLOORS.public
        public, confidential = (treat(year, FLOORS, audience) for audience in Audience)
        only_public = Solver({Audience.PUBLIC: public}, FLOORS, most)
        both = Solver({Audience.PUBLIC: public, Audience.SG: confidential}, FLOORS, most)
        assert [] == only_public.broken()
        assert [] == both.broken()


@given(_years())
def test_the_sgs_version_shows_everything_that_the_public_one_shows(years: list[YearCounts]) -> None:
    for year in years:
        public, confidential = (treat(year, FLOORS, audience) for audience in Audience)
        for name, lines in public.tables.items():
            shown = {line: figure for line, figure in lines.items() if figure is not None}
            assert shown.items() <= confidential.tables[name].items()


@given(_years())
def test_what_is_shown_is_rounded_and_never_under_the_floor(years: list[YearCounts]) -> None:
    for year in years:
        for audience in Audience:
            treated = treat(year, FLOORS, audience)
            for name, lines in (("", treated.mailboxes), *treated.tables.items()):
                assert not set(NEVER_SHOWN) & lines.keys()
                for line, figure in lines.items():
                    count = (year.tables[name] if name else year.mailboxes)[line]
                    assert figure is None or (figure == rounded(count) and count >= FLOORS.of(audience))


# ---- break the treatment, and an attacker must get through ------------------------------------------

_MUTANTS = {
    "nothing hidden to protect the rest": ("        if left < 0:\n            break\n", ""),
    "one mailbox too little left over": ("- (floor - 1)\n", "- (floor - 2)\n"),
    "the largest first forgotten": ("lambda line: -_lowest", "lambda line: _lowest"),
    "a count of floor less one shown": ("if number >= floor]", "if number >= floor - 1]"),
    "the total taken at its highest": ("left = _lowest(read, floors)", "left = _REACH + rounded(read)"),
    "shown lines taken at their figure's highest": (
        "left -= _lowest(lines[line], floors)",
        "left -= rounded(lines[line]) - 5",
    ),
    "zero shown": ("if number >= floor]", "if number >= floor or not number]"),
}


def _mutant(name: str) -> types.ModuleType:
    before, after = _MUTANTS[name]
    source = inspect.getsource(disclosure)
    assert 1 == source.count(before)
    module = types.ModuleType("report.disclosure_mutant")
    code = compile(source.replace(before, after), module.__name__, "exec")
    sys.modules[module.__name__] = module
    try:
        exec(code, module.__dict__)  # noqa: S102  # our own source, with one line broken
    finally:
        del sys.modules[module.__name__]
    return module


@pytest.mark.slow
@pytest.mark.parametrize("name", _MUTANTS)
def test_a_broken_disclosure_control_is_detected(name: str) -> None:
    mutant = _mutant(name)
    found = [
        fault
        for audience in mutant.Audience
        for fault in broken_by_census(mutant.treat, audience, lines=2, most=36, floors=FLOORS)
    ]
    assert found


def test_the_solver_subtracts_shown_lines_from_a_shown_total() -> None:
    told = disclosure.Treated(
        2026, Audience.PUBLIC, 10, {"read": 100}, {"table": {"large": 100, "hidden": None}}
    )
    assert ["table hidden is not 9"] == Solver({Audience.PUBLIC: told}, FLOORS, 120).broken()


def test_the_solver_finds_a_hidden_number_of_mailboxes_that_a_table_gives_away() -> None:
    told = disclosure.Treated(2026, Audience.PUBLIC, 10, {"read": None}, {"table": {"shown": 10}})
    found = Solver({Audience.PUBLIC: told}, FLOORS, 120).broken()
    assert ["read is not 0", "read is not 9"] == found


def test_the_solver_finds_a_hidden_number_that_the_other_version_shows() -> None:
    public = disclosure.Treated(2026, Audience.PUBLIC, 10, {"read": 100, "spam": 10}, {})
    confidential = disclosure.Treated(2026, Audience.SG, 5, {"read": 100, "spam": None}, {})
    both = Solver({Audience.PUBLIC: public, Audience.SG: confidential}, FLOORS, 120)
    assert ["spam is not 0", "spam is not 4"] == both.broken()


def test_the_solver_knows_that_unanswered_sources_do_not_come_back() -> None:
    told = disclosure.Treated(
        2026,
        Audience.PUBLIC,
        10,
        {"read": 100},
        {"came_back": {"yes": 100}, "first_answer": {"within_2": 40, "none": None}},
    )
    assert ["first_answer none is not 9"] == Solver({Audience.PUBLIC: told}, FLOORS, 120).broken()


# ---- by example -------------------------------------------------------------------------------------


def test_rounding_is_to_the_nearest_five() -> None:
    assert [10, 10, 10, 15, 15, 15, 15, 15, 20] == [rounded(count) for count in range(10, 19)]


def test_a_small_year_shows_how_many_mailboxes_and_nothing_more() -> None:
    treated = treat(one_table(30, 9, 8, 7, 0), FLOORS, Audience.PUBLIC)
    assert 30 == treated.mailboxes["read"]
    assert {None} == set(treated.tables["table"].values())


def test_a_year_without_mailboxes_shows_no_zero() -> None:
    treated = treat(one_table(0, 0, 0), FLOORS, Audience.SG)
    assert {None} == {*treated.mailboxes.values(), *treated.tables["table"].values()}


def test_a_large_line_is_left_out_if_it_would_reveal_a_small_one() -> None:
    treated = treat(one_table(60, 40, 18, 2), FLOORS, Audience.PUBLIC)
    assert {"line0": 40, "line1": None, "line2": None} == treated.tables["table"]


@pytest.mark.parametrize(("public", "sg"), [(9, 5), (10, 4), (12, 5), (10, 7), (10, 15), (0, 0), (5, 5)])
def test_a_floor_that_protects_less_is_refused(public: int, sg: int) -> None:
    with pytest.raises(FloorError):
        Floors(public, sg)
