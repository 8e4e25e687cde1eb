"""Content of one poster in one language: its sentences, and the desk's facts as they are printed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from report.qr_code import QrCode, draw_qr_code
from web.languages import PageLanguage, read_language, read_words

_ADDRESS_CHARS: Final = 14  # 56 letters and digits in four short lines, which are easy to compare
_KEY_CHARS: Final = 4


@dataclass(frozen=True, slots=True)
class PosterFacts:
    """Facts about one desk that its poster shows, such as its addresses and fingerprints.

    `telephone` and `clear_origin` (https://…) are empty if the desk has none.
    """

    desk_name: str
    desk_language: str  # of the desk's name
    onion_host: str
    clear_origin: str
    fingerprint: str
    openpgp_fingerprint: str
    telephone: str
    working_days: Sequence[int]


@dataclass(frozen=True, slots=True)
class Poster:
    """Content of one poster in one language.

    `words` maps keys to sentences. `address_lines` is the onion address, split into short pieces.
    `key_groups` and `openpgp_groups` are the two fingerprints, split into groups.
    """

    language: PageLanguage
    words: dict[str, Any]
    facts: PosterFacts
    address_lines: tuple[str, ...]
    key_groups: tuple[str, ...]
    openpgp_groups: tuple[str, ...]
    code: QrCode


def compose_poster(facts: PosterFacts, language: str) -> Poster:
    """Return the content of a poster in the language with this code."""
    words = dict(read_words(language, "poster"))
    address = f"http://{facts.onion_host}"
    page_language = read_language(language)
    days = page_language.weekdays(sorted(facts.working_days))
    filled = {"desk": facts.desk_name, "address": address, "days": days}
    for key in ("page_title", "qr_words", "talk_days"):
        words[key] = words[key].format_map(filled)
    lines = re.findall(f".{{{_ADDRESS_CHARS}}}", facts.onion_host.removesuffix(".onion"))
    return Poster(
        language=page_language,
        words=words,
        facts=facts,
        address_lines=(*lines[:-1], f"{lines[-1]}.onion"),
        key_groups=_groups(facts.fingerprint),
        openpgp_groups=_groups(facts.openpgp_fingerprint),
        code=draw_qr_code(address),
    )


def _groups(key: str) -> tuple[str, ...]:
    return tuple(re.findall(f".{{1,{_KEY_CHARS}}}", key))
