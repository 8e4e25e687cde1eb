"""Content of one recovery sheet in one language, and the sheet as text, as HTML and as PDF."""

import re
import tomllib
from dataclasses import dataclass, field
from datetime import date
from importlib import resources
from typing import Any, Final

from crypto.age.recipients import PQIdentity
from crypto.age.recovery_key import identity_words
from crypto.passphrase import Language
from report.html import templates_of
from report.pdf import render_pdf
from report.qr_code import QrCode, draw_qr_code

_PACKAGE: Final = "journalist_app.recovery_sheet"
_KEY_CHARS: Final = 11  # a key of 77 characters in seven pieces


@dataclass(frozen=True, slots=True)
class SheetFacts:
    """Facts on one recovery sheet: its desk, its safe, its key, and the first backup that the sheet opens."""

    desk_name: str
    fingerprint: str
    safe: str
    day: date
    backup: str  # name of the first backup that the sheet opens
    identity: PQIdentity = field(repr=False)


@dataclass(frozen=True, slots=True)
class RecoverySheet:
    """Content of one recovery sheet in one language.

    `texts` has the sentences of the sheet by name. `seed_words` is the secret key as 24 words, and
    `key_pieces` is the same key as text, in pieces.
    """

    language: Language
    texts: dict[str, Any]
    facts: SheetFacts
    seed_words: list[str] = field(repr=False)
    key_pieces: list[str] = field(repr=False)
    code: QrCode = field(repr=False)


def compose_sheet(facts: SheetFacts, language: Language) -> RecoverySheet:
    """Return the content of a recovery sheet in one language."""
    key = facts.identity.to_text()
    return RecoverySheet(
        language=language,
        texts=tomllib.loads((resources.files(_PACKAGE) / f"words_{language}.toml").read_text("utf-8")),
        facts=facts,
        seed_words=identity_words(facts.identity, language),
        key_pieces=re.findall(f".{{{_KEY_CHARS}}}", key),
        code=draw_qr_code(key),
    )


def sheet_text(sheet: RecoverySheet) -> bytes:
    """Return a recovery sheet as plain text in UTF-8."""
    return _rendered("sheet.txt", sheet)


def sheet_html(sheet: RecoverySheet) -> bytes:
    """Return a recovery sheet as an HTML page for A4 paper. The page loads no other file."""
    return _rendered("sheet.html", sheet)


def sheet_pdf(sheet: RecoverySheet) -> bytes:
    """Return a recovery sheet as a PDF of one A4 page.

    Raises:
        PdfToolsMissingError: Pango is not installed on this machine.
    """
    return render_pdf(sheet_html(sheet))


def _rendered(template: str, sheet: RecoverySheet) -> bytes:
    page = templates_of(_PACKAGE).get_template(template)
    return page.render(sheet=sheet, texts=sheet.texts, facts=sheet.facts).encode()
