"""Count lines of code in each folder and compare them with the limits.

Blank lines, comments and docstrings do not count, nor do `tests/`, `bench/` and `docs/`.

The limits are the table `[tool.code-lines]` in pyproject.toml. `make check` prints both.
"""

import ast
import io
import sys
import tokenize
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
_NOT_CODE: Final = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


def count_lines(source: str) -> int:
    """Return the number of lines on which there is code."""
    code = {
        line
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type not in _NOT_CODE
        for line in range(token.start[0], token.end[0] + 1)
    }
    return len(code - _docstring_lines(ast.parse(source)))


def lines_by_folder(limits: Mapping[str, int]) -> dict[str, int]:
    """Return the lines of code in each top-level folder that has a limit, and their `total`."""
    counted = {
        folder: sum(count_lines(file.read_text("utf-8")) for file in (ROOT / folder).rglob("*.py"))
        for folder in limits
        if folder != "total"
    }
    return {**counted, "total": sum(counted.values())}


def read_limits() -> dict[str, int]:
    """Return the limits of pyproject.toml."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    limits: dict[str, int] = settings["tool"]["code-lines"]
    return limits


def _docstring_lines(tree: ast.Module) -> set[int]:
    lines: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if ast.get_docstring(node) is not None and first is not None:
                lines.update(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    return lines


def main() -> None:
    """Print the table. Exit with 1 if a folder is over its limit."""
    limits = read_limits()
    counted = lines_by_folder(limits)
    print("lines of code     now   limit")  # noqa: T201
    for folder, limit in limits.items():
        over = "  over its limit" if counted[folder] > limit else ""
        print(f"{folder:15} {counted[folder]:6} {limit:7}{over}")  # noqa: T201
    sys.exit(any(counted[folder] > limit for folder, limit in limits.items()))


if __name__ == "__main__":
    main()
