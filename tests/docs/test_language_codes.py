"""No code names a language: a language is a folder of `languages/` and a code in the settings."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.code_lines import ROOT, read_limits
from web.languages import known_languages

# This module names the two languages of the adviser's interface. The Dutch word list also names mailboxes.
_ADVISER: Final = "crypto/passphrase.py"
_UNITS: Final = {("journalist_app/files/hidden_parts.py", "pt")}  # the point, a unit of length
_CODES: Final = "|".join(known_languages())
_IN_TEXT: Final = re.compile(rf"(?:^|[/_\-.\s,(]){'(?:' + _CODES + ')'}(?:$|[/_\-.\s,)])")
_AS_NAME: Final = re.compile(rf"(?:^|_)(?:{_CODES})$")
_IN_MARKUP: Final = re.compile(rf"[\"'/(](?:{_CODES})[\"'/)]|(?:words|texts)\.(?:{_CODES})\b")


def _files(*endings: str) -> Iterator[tuple[str, str]]:
    for folder in (name for name in read_limits() if name != "total"):
        for ending in endings:
            for path in sorted((ROOT / folder).rglob(f"*.{ending}")):
                yield str(path.relative_to(ROOT)), path.read_text("utf-8")


def _codes_in(source: str) -> set[str]:
    """Return the texts and names in Python code that name a language. Docstrings do not count."""
    tree = ast.parse(source)
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            short = node.value if len(node.value.split()) < 3 else ""  # a sentence names no code
            found |= {short} if _IN_TEXT.search(short) else set()
        fields = () if isinstance(node, ast.keyword) else ("id", "attr", "arg", "name")
        names = (getattr(node, field, None) for field in fields)
        found |= {name for name in names if isinstance(name, str) and _AS_NAME.search(name)}
    return found


def test_python_names_no_language() -> None:
    found = {(name, code) for name, source in _files("py") for code in _codes_in(source)}

    assert {code for name, code in found if name == _ADVISER} == {"nl", "en"}
    assert {each for each in found if each[0] != _ADVISER} <= _UNITS


def test_templates_and_style_sheets_name_no_language() -> None:
    lines = [
        f"{name}: {line.strip()}"
        for name, text in _files("html", "svg", "css", "txt")
        if "wordlists" not in name
        for line in text.splitlines()
        if _IN_MARKUP.search(line)
    ]

    assert lines == []


def test_each_way_to_name_a_language_is_seen() -> None:
    """The check finds the ways in which the code once named its languages."""
    ways = (
        'x = "nl"',
        'bp = url("/<any(nl, en):lang>/s")',
        'open("words_nl.toml")',
        "config.where_conduct_en",
        "def f(name_nl): pass",
        'get("/en/")',
        "words.nl",
    )
    assert [way for way in ways if not _codes_in(way)] == []
    assert all(
        _IN_MARKUP.search(each) for each in ('lang="nl"', "{{ words.en }}", ":lang(ar)", 'href="/nl/"')
    )


def test_a_language_has_all_its_files() -> None:
    folder = Path(ROOT / "languages")
    kinds = {"language.toml", "poster.toml", "report.toml", "signpost.toml"}
    for code in known_languages():
        assert kinds <= {path.name for path in (folder / code).iterdir()}, code
        has_catalogue = (folder / code / "LC_MESSAGES" / "messages.po").exists()
        assert has_catalogue or code == "en"
        assert (ROOT / "docs" / "languages" / f"{code}.md").exists() or code == "en"
