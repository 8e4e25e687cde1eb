"""A made-up language: pseudo-text 40 % longer than English, in a folder of its own."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from web import languages

MADE_UP = "qq"
_LONGER = str.maketrans(
    {letter: f"{letter}{accented}" for letter, accented in zip("aeiouns", "áéíóúñš", strict=True)}
)
_PLACEHOLDER = re.compile(r"(%\(\w+\)s|\{\w+\})")
_SENTENCE = re.compile(r'"([^"\n]* [^"\n]*)"')  # a text with a space: keys and names of routes have none


def longer(text: str) -> str:
    """Return a text that can still be read, with every vowel, every n and every s twice."""
    parts = _PLACEHOLDER.split(text)
    return "".join(part if _PLACEHOLDER.fullmatch(part) else part.translate(_LONGER) for part in parts)


@contextmanager
def a_made_up_language(folder: Path, locale: str = "ar", *, is_translated: bool = True) -> Iterator[None]:
    """Add a made-up language to the languages of this program until the block ends.

    `locale` decides its direction. If not `is_translated`, no sentence of the pages has a translation.
    """
    shutil.copytree(languages.FOLDER, folder, dirs_exist_ok=True)
    ours = folder / MADE_UP
    shutil.copytree(folder / "en", ours)
    (ours / "language.toml").write_text(f'name = "Qaqá"\nlocale = "{locale}"\ntrial = "Tríál"\n', "utf-8")
    for kind in ("poster", "report", "signpost"):
        path = ours / f"{kind}.toml"
        text = _SENTENCE.sub(lambda found: f'"{longer(found[1])}"', path.read_text("utf-8"))
        path.write_text(text, "utf-8")
    if is_translated:
        (ours / "LC_MESSAGES").mkdir()
        with (ours / "LC_MESSAGES" / "messages.mo").open("wb") as file:
            write_mo(file, _catalogue(folder / "messages.pot"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(languages, "FOLDER", folder)
        yield


def english_catalogue(template: Path) -> Catalog:
    """Return the English sentences of the pages."""
    with template.open("rb") as file:
        return read_po(file)


def _catalogue(template: Path) -> Catalog:
    made = Catalog(locale="en")
    for message in english_catalogue(template):
        if message.id:
            one = isinstance(message.id, str)
            said = longer(message.id) if one else tuple(longer(form) for form in message.id)
            made.add(message.id, said)
    return made
