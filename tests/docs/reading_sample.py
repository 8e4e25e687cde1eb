"""Random sample of docstrings, paragraphs and page sentences for the reading test of docs/style.md.

`python -m tests.docs.reading_sample SEED` prints the sample. The same seed and the same files give the same
sample. A reader who does not know the project reads each text without its context and says whether it was
clear at first reading.
"""

import ast
import random
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from babel.messages.pofile import read_po

from tests.code_lines import ROOT, read_limits

_DOCSTRINGS: Final = 40
_PARAGRAPHS: Final = 20
_SENTENCES: Final = 30  # English ones, and as many Dutch ones
_PARAGRAPH_WORDS_MIN: Final = 25
_SENTENCE_WORDS_MIN: Final = 5

_DOCUMENTS: Final = (
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "docs/*.md",
    "docs/papers/*.md",
    "docs/adr/*.md",
)
_SPECIFICATION: Final = "docs/protocol.md"  # for readers who have its definitions beside it
_CATALOGUE: Final = "**/nl/LC_MESSAGES/messages.po"

_FENCED_CODE: Final = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
_HTML_COMMENT: Final = re.compile(r"<!--.*?-->", re.DOTALL)
_LIST_ITEM: Final = re.compile(r"^ *(?:[-*+]|\d+\.) +", re.MULTILINE)
_LINK: Final = re.compile(r"\[[^\]]*\]\([^)]*\)")
_WHOLE: Final = re.compile(
    r"[.?!][*_)\"]*$"
)  # not cut off by the list, the code or the formula that follows it
_NO_PROSE: Final = ("|", "#", "<", ">", "[")  # a table, a heading, markup, a quotation, a link's address


@dataclass(frozen=True, slots=True)
class SampleText:
    """Text for the reader, with the place where it was found."""

    place: str
    text: str


def draw_sample(seed: str) -> dict[str, list[SampleText]]:
    """Return the texts of each kind that a seed draws from the files in git.

    Each kind is drawn on its own: a new paragraph does not change which docstrings are drawn.
    """
    english, dutch = page_sentences()
    kinds = {
        "docstrings": (docstrings(), _DOCSTRINGS),
        "paragraphs": (paragraphs(), _PARAGRAPHS),
        "English page sentences": (english, _SENTENCES),
        "Dutch page sentences": (dutch, _SENTENCES),
    }
    return {
        kind: random.Random(f"{kind} {seed}").sample(texts, count) for kind, (texts, count) in kinds.items()
    }


def docstrings() -> list[SampleText]:
    """Return the docstrings of all functions and classes of the packages."""
    packages = [f"{folder}/**/*.py" for folder in read_limits() if folder != "total"]
    return [text for file in _tracked(packages) for text in _docstrings_of(file)]


def paragraphs() -> list[SampleText]:
    """Return the paragraphs and list items of the documents, without the protocol's specification."""
    return [
        SampleText(file, text)
        for file in _tracked(_DOCUMENTS)
        if file != _SPECIFICATION
        for text in dict.fromkeys(paragraphs_of((ROOT / file).read_text("utf-8")))
    ]


def paragraphs_of(document: str) -> Iterator[str]:
    """Yield the paragraphs and list items of a Markdown document, each on one line.

    Code, tables, headings, quotations, lists of links and sentences that introduce them are left out.
    """
    prose = _HTML_COMMENT.sub("", _FENCED_CODE.sub("\n\n", document))
    for block in re.split(r"\n\s*\n", _LIST_ITEM.sub("\n\n", prose)):
        text = " ".join(block.split())
        if not text.startswith(_NO_PROSE) and _WHOLE.search(text):
            words = len(text.split())
            unlinked = len(_LINK.sub("", text).split())
            if words >= _PARAGRAPH_WORDS_MIN and 2 * unlinked > words:
                yield text


def page_sentences() -> tuple[list[SampleText], list[SampleText]]:
    """Return the English and the Dutch sentences of the pages of both apps."""
    english: dict[str, SampleText] = {}  # a sentence that both apps have is one sentence
    dutch: dict[str, SampleText] = {}
    for file in _tracked([_CATALOGUE]):
        with (ROOT / file).open("rb") as opened:
            catalogue = read_po(opened, locale="nl")
        for message in (each for each in catalogue if each.id):  # the entry without an id is the header
            english.update((text, SampleText(file, text)) for text in _long_enough(message.id))
            dutch.update((text, SampleText(file, text)) for text in _long_enough(message.string))
    return list(english.values()), list(dutch.values())


def _docstrings_of(file: str) -> Iterator[SampleText]:
    def below(node: ast.AST, inside: str) -> Iterator[SampleText]:
        for child in ast.iter_child_nodes(node):
            name = inside
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                name = f"{inside}.{child.name}".removeprefix(".")
                if text := ast.get_docstring(child):
                    yield SampleText(f"{file}: {name}", text)
            yield from below(child, name)

    yield from below(ast.parse((ROOT / file).read_text("utf-8")), "")


def _long_enough(forms: str | Sequence[str]) -> list[str]:
    forms = [forms] if isinstance(forms, str) else list(forms)  # a message with a plural has several
    return [form for form in forms if len(form.split()) >= _SENTENCE_WORDS_MIN]


def _tracked(patterns: Sequence[str]) -> list[str]:
    """Return the files in git that match one of the patterns, in alphabetical order."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", *(f":(glob){each}" for each in patterns)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    return sorted({name for name in listed if name and (ROOT / name).is_file()})  # once, also during a merge


def main(seed: str) -> None:
    """Print the sample of a seed, numbered, with the place of each text."""
    print(f"Sample of seed {seed}")  # noqa: T201  # the result of this command
    for kind, texts in draw_sample(seed).items():
        print(f"\n\n{len(texts)} {kind}")  # noqa: T201
        for number, each in enumerate(texts, start=1):
            print(f"\n{number}. [{each.place}]\n{each.text}")  # noqa: T201


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tests.docs.reading_sample SEED")
    main(sys.argv[1])
