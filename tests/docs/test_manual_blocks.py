import re

import pytest

from tests.code_lines import ROOT
from tests.docs.manual_blocks import (
    FINDS_FAULTS_ON_POSTGRESQL,
    NOT_RUN,
    NOT_RUN_ON_POSTGRESQL,
    NOT_RUN_ON_SOURCE_SERVERS,
    Block,
    read_blocks,
)

MANUALS = ("operator.md", "adviser.md")
BLOCKS = [block for manual in MANUALS for block in read_blocks(manual)]
LINES = [line for block in BLOCKS for line in block.lines]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.at)
def test_each_block_of_a_manual_is_run_by_a_test_or_in_the_list_with_a_reason(block: Block) -> None:
    """tests/tor/manual runs the blocks, and tests in tests/deploy those for PostgreSQL and source servers."""
    is_typed = block.is_on_postgresql or block.is_of_remote_database or block.is_for_source_servers
    assert block.is_run or is_typed or block.lines[0].startswith(tuple(NOT_RUN)), (
        "name the machine after the first ```"
    )


@pytest.mark.parametrize("begin", NOT_RUN)
def test_each_line_that_no_test_runs_is_in_a_manual(begin: str) -> None:
    assert NOT_RUN[begin]
    assert any(line.startswith(begin) for line in LINES)


@pytest.mark.parametrize("line", [*NOT_RUN_ON_POSTGRESQL, *FINDS_FAULTS_ON_POSTGRESQL])
def test_each_exception_for_postgresql_is_a_line_of_its_blocks(line: str) -> None:
    assert NOT_RUN_ON_POSTGRESQL.get(line) or FINDS_FAULTS_ON_POSTGRESQL[line]
    assert any(line in block.lines for block in BLOCKS if block.is_on_postgresql)


@pytest.mark.parametrize("line", NOT_RUN_ON_SOURCE_SERVERS)
def test_each_exception_for_two_source_servers_is_a_line_of_their_blocks(line: str) -> None:
    assert NOT_RUN_ON_SOURCE_SERVERS[line]
    assert any(line in block.lines for block in BLOCKS if block.is_for_source_servers)


def test_the_tasks_of_an_adviser_name_sections_of_the_operators_manual() -> None:
    adviser, operator = ((ROOT / "docs" / name).read_text("utf-8") for name in ("adviser.md", "operator.md"))
    tasks = adviser[adviser.index("\n## Day two on the workstation\n") : adviser.index("\n## Practising\n")]
    named = {name for row in tasks.splitlines() for name in re.findall(r"\*(.+?)\*", row.split(" | ")[-1])}

    assert len(named) == 11
    assert named <= set(re.findall(r"(?m)^### (.*)$", operator))


def test_the_first_hour_has_few_commands() -> None:
    """From two machines without the mailbox to a check without a fault, with the onion way."""
    first_hour = BLOCKS[
        : 1 + next(at for at, each in enumerate(BLOCKS) if each.lines[0] == "steunpunt check")
    ]
    typed = {
        machine: sum(len(each.lines) for each in first_hour if machine in each.kind)
        for machine in ("server", "workstation", "elsewhere")
    }

    assert typed["server"] < 15
    assert typed["workstation"] < 15
    assert typed["elsewhere"] == 2
    told = " ".join((ROOT / "docs" / "proofs.md").read_text("utf-8").split())
    assert f"has {sum(typed.values())} lines to type, from *Install the program* to" in told
    assert f"{typed['server']} on the server, {typed['workstation']} on the workstation" in told


def test_the_first_hour_fits_on_a_printed_page() -> None:
    """With letters of 10 points, 510 words and 60 lines of this path fill a page of A4."""
    text = (ROOT / "docs" / "operator.md").read_text("utf-8")
    path = text[text.index("\n### Install the program\n") : text.index("\n### Make the poster\n")]

    assert len(path.split()) <= 510
    assert len(path.splitlines()) <= 120
