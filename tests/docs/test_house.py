"""Rules for the layout of the code: small folders, names that occur once, and limits on lines of code."""

import ast
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Final

from tests.code_lines import ROOT, count_lines, lines_by_folder, read_limits

_MODULES_MAX: Final = 15  # side by side in one folder, `__init__.py` and `conftest.py` not counted
# One module for each section of docs/protocol.md, and the tests of each.
_MORE_MODULES: Final = {"protocol": 18, "tests/protocol": 18}
_PROTOCOL_WORDS_MAX: Final = 9600  # docs/protocol.md must stay short enough to be read whole

# One interface's names: every package has its errors, every app its settings, forms, use cases and pages.
_MODULE_INTERFACES: Final = {"errors", "config", "forms", "services", "views"}
# One thing at two layers: its rule or its table, and the adviser's use cases (docs/style.md, section 6).
_TWO_LAYERS: Final = {"closing", "records"}
# The modules of `store` share the verbs of a table; each migration has an `upgrade`.
_FUNCTION_INTERFACES: Final = {
    "store/": {"add", "apply_from_peer", "count", "drop", "find", "of_mailbox", "put", "upgrade"},
    "sync/items/": {"apply", "pack", "verify"},
}


def _modules() -> list[Path]:
    packages = [folder for folder in read_limits() if folder != "total"]
    return [file for folder in packages for file in sorted((ROOT / folder).rglob("*.py"))]


def _is_of_interface(name: str, places: list[str]) -> bool:
    return any(
        name in names and all(place.startswith(folder) for place in places)
        for folder, names in _FUNCTION_INTERFACES.items()
    )


def test_no_folder_has_too_many_modules() -> None:
    folders: defaultdict[str, int] = defaultdict(int)
    for file in [*_modules(), *(ROOT / "tests").rglob("*.py"), *(ROOT / "bench").rglob("*.py")]:
        folders[str(file.parent.relative_to(ROOT))] += file.name not in {"__init__.py", "conftest.py"}

    crowded = {
        folder: count for folder, count in folders.items() if count > _MORE_MODULES.get(folder, _MODULES_MAX)
    }
    assert {} == crowded


def test_no_two_modules_or_packages_have_the_same_name() -> None:
    places: defaultdict[str, list[str]] = defaultdict(list)
    for file in _modules():
        places[file.parent.name if file.stem == "__init__" else file.stem].append(str(file.relative_to(ROOT)))

    twice = {name: found for name, found in places.items() if len(found) > 1}
    assert {} == {
        name: found for name, found in twice.items() if name not in _MODULE_INTERFACES | _TWO_LAYERS
    }


def test_no_two_public_classes_or_functions_have_the_same_name() -> None:
    places: defaultdict[str, list[str]] = defaultdict(list)
    for file in _modules():
        for node in ast.parse(file.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
                places[node.name].append(str(file.relative_to(ROOT)))

    twice = {name: found for name, found in places.items() if len(found) > 1}
    assert {} == {name: found for name, found in twice.items() if not _is_of_interface(name, found)}


def test_no_two_classes_of_tests_and_bench_have_the_same_name() -> None:
    places: defaultdict[str, list[str]] = defaultdict(list)
    for file in [*(ROOT / "tests").rglob("*.py"), *(ROOT / "bench").rglob("*.py"), *_modules()]:
        for node in ast.parse(file.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(str(file.relative_to(ROOT)))

    assert {} == {name: found for name, found in places.items() if len(found) > 1}


def test_every_package_says_what_lives_in_each_module() -> None:
    missing = []
    for package in (file for file in _modules() if file.name == "__init__.py"):
        docstring = ast.get_docstring(ast.parse(package.read_text("utf-8"))) or ""
        modules = {file.stem for file in package.parent.glob("*.py")} - {"__init__"}
        modules |= {file.parent.name for file in package.parent.glob("*/__init__.py")}
        missing += [
            f"{package.parent.relative_to(ROOT)}: {name}"
            for name in modules
            if not re.search(rf"`{name}/?`", docstring)
        ]

    assert [] == sorted(missing)


def _package_of(module: str, name: str) -> str:
    """Return the package that `from MODULE import NAME` reads."""
    folder = ROOT.joinpath(*module.split("."))
    if (folder / name / "__init__.py").exists():
        return f"{module}.{name}"
    return module if folder.is_dir() else module.rpartition(".")[0]


def _imported_packages(package: Path) -> set[str]:
    """Return our packages that a folder and its subfolders import.

    Another top folder is named as a whole. A package of the same top folder is named in full.
    """
    own, top = ".".join(package.relative_to(ROOT).parts), package.relative_to(ROOT).parts[0]
    found = set()
    for file in package.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                found |= {_package_of(node.module, each.name) for each in node.names}
    ours = {name for name in found if name.split(".")[0] in read_limits()}
    outside = {name for name in ours if name != own and not name.startswith(f"{own}.")}
    return {name if name.split(".")[0] == top else name.split(".")[0] for name in outside}


def test_every_package_says_which_packages_it_imports() -> None:
    said, imported = {}, {}
    for file in (each for each in _modules() if each.name == "__init__.py"):
        docstring = ast.get_docstring(ast.parse(file.read_text("utf-8"))) or ""
        sentence = re.search(r"\bImports (.+?)\.(?:\s|$)", docstring, re.DOTALL)
        name = str(file.parent.relative_to(ROOT))
        said[name] = set(re.findall(r"`([a-z_.]+)`", sentence[1])) if sentence else None
        imported[name] = _imported_packages(file.parent)

    assert imported == said


def test_blank_lines_comments_and_docstrings_are_not_counted() -> None:
    source = (
        '"""Module."""\n\n# why\ndef f() -> str:\n    """Return\n    text."""\n    return """a\nb"""  # end\n'
    )

    assert 3 == count_lines(source)


def test_no_folder_is_over_its_limit_of_lines() -> None:
    limits = read_limits()
    counted = lines_by_folder(limits)

    assert {} == {folder: counted[folder] for folder in limits if counted[folder] > limits[folder]}


def test_the_protocol_is_not_over_its_limit_of_words() -> None:
    assert len((ROOT / "docs/protocol.md").read_text("utf-8").split()) <= _PROTOCOL_WORDS_MAX


def test_each_decision_has_a_number_of_its_own_and_a_line_in_the_list() -> None:
    decisions = sorted(file.name for file in (ROOT / "docs/adr").glob("0*.md"))
    listed = (ROOT / "docs/adr/README.md").read_text("utf-8")

    assert [f"{number + 1:04}" for number in range(len(decisions))] == [name[:4] for name in decisions]
    for name in decisions:
        assert f"| {int(name[:4])} | [" in listed
        assert f"({name})" in listed
        assert (ROOT / "docs/adr" / name).read_text("utf-8").startswith(f"# {int(name[:4])}. ")


def test_every_folder_with_code_has_a_limit() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    folders = {file.split("/")[0] for file in tracked} - {"tests", "bench", "docs"}

    assert set(read_limits()) - {"total"} == folders


def test_the_table_of_lines_is_printed() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "tests.code_lines"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout

    assert all(folder in printed for folder in read_limits())
