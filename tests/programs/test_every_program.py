"""Each place that starts a program without the runner is known, and gives the program a limit on time."""

import ast
from pathlib import Path

import pytest

from tests.code_lines import read_limits

_ROOT = Path(__file__).parents[2]
_FOLDERS = read_limits().keys() - {"total"}
_STARTS = ("subprocess", "pty", "os.system", "os.popen", "os.exec", "os.spawn", "os.posix_spawn")
# What ends each program that does not run under the limits of `programs.runner`.
_ENDED_BY = {
    "programs/runner.py": "the runner itself",
    "gpg/keeper.py": "starts a program only with the runner, and waits with a limit",
    "sync/carriers.py": "ssh is killed when its answer takes too long",
    "journalist_app/files/pdf_parts.py": "runs inside the sandbox, and ends with it",
    "deploy/checking/watch.py": "the operator's own program, with a limit on time",
    "deploy/checking/system_checks.py": "journalctl, with a limit on time",
    "deploy/serving/supervisor.py": "our own programs, which run until they are stopped",
    "deploy/serving/search_processes.py": "our own program, which runs until it is stopped",
    "deploy/serving/wiped_memory.py": "our own program, which replaces itself",
}
_WITHOUT_TIME = {"journalist_app/files/pdf_parts.py"}


def _starts(tree: ast.AST) -> set[str]:
    """Return the names in a module that can start a program."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{each.name}" for each in node.names}
        elif isinstance(node, ast.Attribute):
            found.add(ast.unparse(node))
    return {name for name in found if name.startswith(_STARTS)}


def _modules() -> dict[str, ast.AST]:
    paths = [path for folder in _FOLDERS for path in (_ROOT / folder).rglob("*.py")]
    return {str(path.relative_to(_ROOT)): ast.parse(path.read_text("utf-8")) for path in paths}


def test_only_the_known_places_start_programs_without_the_runner() -> None:
    assert {name for name, tree in _modules().items() if _starts(tree)} == set(_ENDED_BY)


def test_each_call_that_waits_for_a_program_has_a_limit_on_time() -> None:
    calls = [
        (name, node)
        for name, tree in _modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).startswith(("subprocess.run", "subprocess.c"))
    ]
    without = {name for name, call in calls if "timeout" not in {each.arg for each in call.keywords}}

    assert len(calls) == 3
    assert without == _WITHOUT_TIME


@pytest.mark.parametrize(
    "text", ["import subprocess", "from os import system", "import os\nos.execv('a', ['a'])", "import pty"]
)
def test_a_place_that_starts_a_program_is_found(text: str) -> None:
    assert _starts(ast.parse(text))
