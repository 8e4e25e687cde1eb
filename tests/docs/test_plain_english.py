"""Word-list test: code, documents, pages and settings use plain words (docs/style.md, section 11).

To add a word, add a line to `_BANNED`: all its forms with `|` between them, and its replacement.
"""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

_ROOT: Final = Path(__file__).parents[2]
_THIS_FILE: Final = "tests/docs/test_plain_english.py"  # its examples have the words on purpose
_SUFFIXES: Final = (".py", ".md", ".html", ".toml", ".po")

# Folders and files that are not rewritten yet. THIS LIST MUST BECOME EMPTY. Remove a line when its files
# pass, and never add one. To work on part of a folder, replace its line with lines for the rest of it.
NOT_YET: Final = ()

_BANNED: Final = {
    # old words
    "albeit": "although",
    "amongst": "among",
    "anew": "again",
    "hence|henceforth|hitherto|whence": "so, from now on, until now, from where",
    "hereby|herewith|thereby|therein|thereof|thereafter|thereupon": "by this, in it, of it, after that",
    "lest": "so that … not",
    "likewise": "also, in the same way",
    "meanwhile": "in the meantime, since then",
    "ought": "should",
    "shall": "must, will",
    "thus": "so",
    "upon": "on",
    "whereby|wherein|whereof|whereupon": "by which, in which, of which, after which",
    "whilst": "while",
    "whoever|whosoever|whomever": "anyone who, the person who",
    "for ever": "forever",
    "half way": "halfway",
    "to and fro": "back and forth",
    # persons
    "anybody": "anyone",
    "everybody": "everyone",
    "nobody": "no one",
    "somebody": "someone",
    "by who|for who|from who|than who|to who|with who": "… someone who, … anyone who",
    # literal translations
    "at the door": "at the endpoint, at the access check",
    "came about|come about|comes about": "happen, be written",
    "came to nothing|come to nothing|comes to nothing": "fail, have no effect",
    "entry to come|entries to come|still to come": "future, not there yet",
    "find out of|finds out|found out": "detect, notice, discover",
    "gave back|given back|gives back|giving back": "return",
    "gave out|give out|given out|gives out|giving out": "send, serve, publish",
    "goes on": "continue",
    "had back": "get back, recover",
    "had before it|had before them": "had seen, had read",
    "has it": "as described in; name the thing: has the entry",
    "hears": "receive, be told",
    "holds for": "apply to, be true for",
    "in the place of": "instead of",
    "is no": "is not a (or: is not the)",
    "keeps to": "follow, respect",
    "laid down": "give up; (of a law) set out",
    "looks along|reads along": "watch, also read",
    "think along|thinking along|thinks along": "help to decide, think with you",
    "lay beside|lay in|lay on|lay there|lay under": "was, was stored",
    "lie beside|lie in|lie on|lie there|lie under": "be, be stored",
    "lies": "is, is stored",
    "mend|mended|mending|mends": "fix, repair",
    "nothing of it|nothing of ours|nothing of what": "none of the …, no part of the …",
    "of ours": "our",
    "put back|puts back|putting back": "restore",
    "put together|puts together|putting together": "merge, combine",
    "see to it|see to what|sees to it|sees to that": "make sure",
    "set back": "restore to an older copy",
    "stand in|stands|stood in": "is, is in, is stored in",
    "so many bytes|so many days|so many hours|so many minutes|so many months": "name the number",
    "take in|taken in|takes in|taking in|took in": "apply, import, accept, read",
    "tells of|told of": "tell about, report",
    "there are none|there is none|there was none|there were none": "name the thing: there is no …",
    "what came in|what comes in|what is coming in": "name the thing: the message, the pouch",
    # metaphors and riddles
    "a slip": "a typing error",
    "its kin": "the days that depend on it",
    "left the house|leaves the house|of the house|rest of the house": "the desk, the project",
    "shut away": "isolated",
    "waste paper": "useless",
}
# Where the same words mean something else.
_ALLOWED: Final = (
    "instead of ours",
    "is no less",
    "is no longer",
    "is no more",
    "is no need",
    "is no one",
    "stands for",
    "stands out",
    "take in turn",
    "taking in turn",
    "there is no",
)
_GAP: Final = (
    r"[\s#\"*]+"  # a line may end inside a phrase: in a comment, in a string that is continued, in a list
)

_IN_A_WORD: Final = re.compile(r"\w")
_CITATION: Final = re.compile(r"\"[^\"\n]{1,150}(?:\n[^\"\n]{1,150})?\"|^>.*$", re.MULTILINE)
_TABLE_ROW: Final = re.compile(r"^\|.*$", re.MULTILINE)
_MSGID: Final = re.compile(r"^(?:msgid|msgid_plural) .*\n(?:\".*\n)*", re.MULTILINE)
_NOT_A_NEWLINE: Final = re.compile(r"[^\n]")

_FIRST_LINES: Final = {
    re.compile(
        r"^[ \t]*[rR]?\"\"\"(?:What|Who|Whose|Whom|How|Where|When|Why|Whether|Whatever)\b", re.MULTILINE
    ): "begin with a verb (a function) or a noun (a class, a module)",
    re.compile(
        r"^[ \t]*[rR]?\"\"\"(?:Say|Tell|Answer) (?:whether|what|which|how|where|when|who)\b", re.MULTILINE
    ): "write: Return True if …, Return whether …, Return the …",
    re.compile(
        r"^[ \t]*[rR]?\"\"\"[^\"\n]*;", re.MULTILINE
    ): "write two sentences, the second one below the first",
}


@dataclass(frozen=True, slots=True)
class _Phrase:
    """Banned word or phrase. A text without its longest word is not searched further."""

    words: str
    longest: str
    pattern: re.Pattern[str]
    instead: str

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield where the phrase is in a text."""
        if self.longest in text:
            for match in self.pattern.finditer(text):
                # Not `\b` in the pattern: the search is five times as fast when it begins with a letter.
                if not _IN_A_WORD.match(text[match.start() - 1 : match.start()]):
                    yield match.span()


def _phrase(words: str, instead: str = "") -> _Phrase:
    parts = words.split()
    return _Phrase(words, max(parts, key=len), re.compile(_GAP.join(parts) + r"\b"), instead)


_PHRASES: Final = [_phrase(form, instead) for forms, instead in _BANNED.items() for form in forms.split("|")]
_EXCEPTIONS: Final = [_phrase(words) for words in _ALLOWED]


def _blank(found: re.Match[str]) -> str:
    """Return spaces of the same length, so that every other character keeps its line."""
    return _NOT_A_NEWLINE.sub(" ", found[0])


def _readable(name: str, text: str) -> str:
    """Return the part of a file that is English prose or code of our own, in lower case, line by line."""
    if name.endswith(".po"):
        kept = [False] * len(text)
        for found in _MSGID.finditer(text):
            kept[found.start() : found.end()] = [True] * (found.end() - found.start())
        text = "".join(c if keep or c == "\n" else " " for c, keep in zip(text, kept, strict=True))
    if name.endswith(".md"):
        text = _CITATION.sub(_blank, text)
    if name == "docs/style.md":  # its tables show the words that we do not use
        text = _TABLE_ROW.sub(_blank, text)
    return text.lower()


def _is_cited(text: str, start: int, end: int) -> bool:
    around = text[start - 1 : start] + text[end : end + 1]
    return around in {'""', "``", "“”"}


def _found(name: str, text: str) -> Iterator[tuple[int, str]]:
    """Yield the line of every banned word, with a sentence that says what to write instead."""
    text = _readable(name, text)
    allowed = [span for exception in _EXCEPTIONS for span in exception.spans(text)]
    for phrase in _PHRASES:
        for start, end in phrase.spans(text):
            is_allowed = any(first <= start and end <= last for first, last in allowed)
            if not is_allowed and not _is_cited(text, start, end):
                yield text.count("\n", 0, start) + 1, f'"{phrase.words}": write: {phrase.instead}'


def _faults_of_first_lines(name: str, text: str) -> Iterator[tuple[int, str]]:
    """Yield the line of every docstring whose first line breaks a rule, with the rule."""
    if name.endswith(".py"):
        for pattern, rule in _FIRST_LINES.items():
            for match in pattern.finditer(text):
                yield text.count("\n", 0, match.end()) + 1, f"{match[0].strip()} …: {rule}"


def _names() -> list[str]:
    """Return the files of the project that are in git, or that git would add."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=_ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    names = {name for name in listed if name.endswith(_SUFFIXES) and (_ROOT / name).is_file()}
    return sorted(names - {_THIS_FILE})


@pytest.fixture(scope="module")
def faults() -> dict[str, list[str]]:
    """Return, by file, every fault as `file:line: what is wrong`."""
    by_file = {}
    for name in _names():
        text = (_ROOT / name).read_text("utf-8")
        lines = sorted([*_found(name, text), *_faults_of_first_lines(name, text)])
        by_file[name] = [f"{name}:{line}: {why}" for line, why in lines]
    return by_file


def test_no_file_has_a_word_that_we_do_not_use(faults: dict[str, list[str]]) -> None:
    rewritten = [each for name, found in faults.items() if not name.startswith(NOT_YET) for each in found]

    assert len(faults) > 500
    assert not rewritten, "\n" + "\n".join(rewritten)


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("a.py", '"""Return it.\n\nWhoever asks, gets it.\n"""\n', 3),
        ("a.py", "x = 1\n# The pouch is taken\n# in by the server.\n", 2),
        ("a.py", 'x = (\n    "There is nothing of "\n    "it left."\n)\n', 2),
        ("a.html", "<p>{{ gettext('Somebody wrote.') }}</p>", 1),
        ("a.toml", "\n\n# It lies in var/.\n", 3),
        ("a.po", 'msgid ""\n"He goes "\n"on."\nmsgstr ""\n', 2),
        ("a.md", "This is\nno answer.\n", 1),
    ],
)
def test_the_list_finds_a_word(name: str, text: str, line: int) -> None:
    assert [line] == [line for line, _ in _found(name, text)]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.md", "> Whoever asks, gets it.\n"),
        ("a.md", 'The word "whoever" is old, and so is "goes on".\n'),
        ("a.py", '# Not `anew`, nor "upon".\n'),
        ("a.po", 'msgid "Continue"\nmsgstr "upon"\n'),
        ("a.md", "There is no answer. It is no longer here. It stands for a day.\n"),
        ("a.py", "nobody_else = whoever_it_is\n"),
        ("docs/style.md", "| anew | again |\n"),
    ],
)
def test_the_list_leaves_alone(name: str, text: str) -> None:
    assert [] == list(_found(name, text))


@pytest.mark.parametrize(
    "line",
    [
        '"""What a source can do."""',
        '    """Say whether the store is full."""',
        '    r"""Return a day; raise where there is no day."""',
    ],
)
def test_a_first_line_that_breaks_a_rule_is_found(line: str) -> None:
    assert 1 == len(list(_faults_of_first_lines("a.py", f"x = 1\n{line}\n")))
