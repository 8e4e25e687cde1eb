"""The papers for organisations: their numbers are the program's, and marks and citations are right."""

import importlib
import re
import tomllib
from datetime import timedelta
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "papers"
PAPERS = {path.stem: path.read_text("utf-8") for path in sorted(FOLDER.glob("*.md"))}
MARK = "**To fill in:**"
NUMBER = re.compile(r"\b(\d+)(?: [a-z ]+)? \(`([^`]+)`\)")
CITED = re.compile(r"Articles?\s+(\d+(?:\(\d+\))?(?:\([a-z]\))?)")
# Someone of the project has read the text of each of these articles.
READ = {"5(1)(e)", "7(1)", "30(1)", "35(1)", "35(2)", "35(7)", "35(9)", "35(11)", "36(1)"}


def _settings() -> dict[str, object]:
    sections = tomllib.loads((ROOT / "config.example.toml").read_text("utf-8"))
    return {name: value for section in sections.values() for name, value in section.items()}


def _value(source: str) -> object:
    """Return the usual value of a setting, or the value of a constant such as `store/cleanup.py: NAME`."""
    path, _, name = source.partition(".py: ")
    if not name:
        return _settings()[source]
    value = getattr(importlib.import_module(path.replace("/", ".")), name)
    return value.days if isinstance(value, timedelta) else value


def test_each_number_in_a_paper_is_the_number_of_the_program() -> None:
    said = [found for text in PAPERS.values() for found in NUMBER.findall(text)]

    assert len({source for _, source in said}) >= 14
    assert [] == [(number, source) for number, source in said if int(number) != _value(source)]


def test_each_paper_marks_what_the_organisation_fills_in_in_one_way() -> None:
    for name, text in PAPERS.items():
        assert MARK in text, name
        assert text.lower().count("to fill in") == text.count(MARK), name


def test_no_paper_cites_an_article_that_no_one_read() -> None:
    cited = {name: set(CITED.findall(text)) for name, text in PAPERS.items() if name != "README"}

    assert READ == set().union(*cited.values())


def test_each_sentence_to_check_is_on_the_page_of_the_site() -> None:
    page = (ROOT / "source_app" / "templates" / "accessibility.html").read_text("utf-8")
    quoted = re.findall(r'(?m)^\| "(.*?)" \|', PAPERS["accessibility-source"])

    assert len(quoted) == 7
    assert [] == [sentence for sentence in quoted if sentence not in page]


@pytest.mark.parametrize("name", sorted(PAPERS.keys() - {"README"}))
def test_each_paper_is_listed_and_takes_ten_minutes(name: str) -> None:
    assert f"({name}.md)" in PAPERS["README"]
    assert "[how to use" in PAPERS[name]
    assert len(PAPERS[name].split()) < 1_500
