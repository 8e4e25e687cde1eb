"""All files, functions and links that the documents name exist."""

import re
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_DOCUMENTS = ("README.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/glossary.md", "docs/product.md")
_NAMED = re.compile(r"`((?:[a-z_]+/)+(?:[A-Za-z0-9_.]+)?|[A-Za-z]\w*\.(?:toml|md|py))(?:: (\w+))?`")
_LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def _defines(name: str) -> str:
    return rf"\b(?:def|class) {name}\b|^{name}\b ?[:=]"


@pytest.mark.parametrize("document", _DOCUMENTS)
def test_every_file_and_function_that_a_document_names_exists(document: str) -> None:
    named = _NAMED.findall((_ROOT / document).read_text("utf-8"))

    missing = [path for path, _ in named if not (_ROOT / path).exists() and not path.startswith("var/")]
    undefined = [
        f"{path}: {name}"
        for path, name in named
        if name and not re.search(_defines(name), (_ROOT / path).read_text("utf-8"), re.MULTILINE)
    ]

    assert [] == missing
    assert [] == undefined


@pytest.mark.parametrize(
    "document",
    sorted(str(each.relative_to(_ROOT)) for each in [*_ROOT.glob("*.md"), *_ROOT.glob("docs/**/*.md")]),
)
def test_every_link_to_a_file_leads_to_a_file(document: str) -> None:
    links = _LINK.findall((_ROOT / document).read_text("utf-8"))

    assert [] == [link for link in links if not ((_ROOT / document).parent / link).exists()]
