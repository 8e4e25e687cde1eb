"""Texts of the desk that sources read: its name, other ways to talk, and the limits to secrecy."""

import tomllib
from dataclasses import dataclass
from datetime import date
from typing import Final

from crypto.errors import MalformedError
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import DeskTextsRefusal, DeskTextsRefusedError, LetterheadMovedError
from journalist_app.services.whole_desk.publish_letterhead import sign_next_letterhead, use_letterhead
from protocol.letterhead import Letterhead
from web.languages import FOLDER, known_languages

_EXAMPLE: Final = FOLDER.with_name("config.example.toml")


@dataclass(frozen=True, slots=True)
class DeskTexts:
    """Texts of the desk in one language. `talk` says how sources can talk to the desk instead of writing."""

    name: str = ""
    talk: str = ""
    secrecy_limits: tuple[str, ...] = ()


def published_texts(letterhead: Letterhead) -> dict[str, DeskTexts]:
    """Return the texts in the desk's signed public statement, by language code."""
    return {
        code: DeskTexts(name, letterhead.talk[code], letterhead.secrecy_limits[code])
        for code, name in letterhead.desk_name.items()
    }


def missing_texts(letterhead: Letterhead) -> dict[str, DeskTexts]:
    """Return example texts by language code, for the languages without texts in the desk's letterhead.

    A letterhead is the desk's signed public statement.
    """
    example = tomllib.loads(_EXAMPLE.read_text("utf-8"))["desk"]
    return {
        code: DeskTexts(
            example["name"].get(code, ""),
            example["talk"].get(code, ""),
            tuple(example["secrecy_limits"].get(code, ())),
        )
        for code in known_languages()
        if code not in letterhead.desk_name
    }


def publish_texts(desk: OpenDesk, serial: int, language: str, texts: DeskTexts, today: date) -> None:
    """Publish the desk's texts of one language in a new letterhead (the desk's signed public statement).

    `serial` is the number of the letterhead whose texts the adviser changed.

    Raises:
        DeskTextsRefusedError: a text is missing or too long, or the language does not exist.
        LetterheadMovedError: a newer letterhead was published, so these texts were not.
        StoreError: the letterhead could not be stored.
    """
    old = desk.letterhead
    if language not in {*old.desk_name, *known_languages()} or not texts.secrecy_limits:
        raise DeskTextsRefusedError(DeskTextsRefusal.TEXTS)
    if serial != old.serial:
        raise LetterheadMovedError
    try:
        with desk.store.writing() as session:
            following = sign_next_letterhead(
                desk,
                session,
                issued=max(today, old.issued),
                desk_name={**old.desk_name, language: texts.name},
                talk={**old.talk, language: texts.talk},
                secrecy_limits={**old.secrecy_limits, language: texts.secrecy_limits},
            )
    except MalformedError as why:
        raise DeskTextsRefusedError(DeskTextsRefusal.TEXTS) from why
    use_letterhead(desk, following)
