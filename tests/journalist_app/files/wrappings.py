"""Wrappings of an armoured block: what mail programs, chats, editors and people do to such a text."""

import base64
import quopri
import re
import textwrap
from collections.abc import Callable
from typing import Final

Wrapping = Callable[[str], str]


def lines_of(armour: str) -> tuple[str, list[str], str]:
    """Return the first line, the lines of the body without empty lines, and the last line."""
    first, *body, last = (line for line in armour.splitlines() if line)
    return first, body, last


def each_line(form: str) -> Wrapping:
    return lambda text: "".join(f"{form.format(line)}\n" for line in text.splitlines())


def one_line(armour: str) -> str:
    return " ".join(armour.split("\n")).strip()


def without_breaks(armour: str) -> str:
    return armour.replace("\n", "")


def wide(armour: str) -> str:
    first, body, last = lines_of(armour)
    return f"{first}\n{''.join(body)}\n{last}\n"


def wrapped_again(width: int) -> Wrapping:
    def wrapped(armour: str) -> str:
        first, body, last = lines_of(armour)
        return "\n".join((first, "", *textwrap.wrap("".join(body), width), last))

    return wrapped


def broken_again(armour: str) -> str:
    """Break each line of 64 characters once more at 60, as mail programs do with quoted lines."""
    return "\n".join(f"{line[:60]}\n{line[60:]}" if len(line) == 64 else line for line in armour.splitlines())


def without_end(armour: str) -> str:
    return re.sub("-+END [A-Z ]+-+", "", armour)


def without_begin(armour: str) -> str:
    return re.sub("-+BEGIN [A-Z ]+-+", "", armour)


def without_both(armour: str) -> str:
    return without_begin(without_end(armour))


def with_dashes(dashes: str) -> Wrapping:
    return lambda text: text.replace("-----", dashes)


def in_base64(armour: str) -> str:
    return base64.encodebytes(armour.encode()).decode()


def in_quoted_printable(armour: str) -> str:
    return quopri.encodestring(armour.encode()).decode()


def around(before: str, after: str) -> Wrapping:
    return lambda text: f"{before}{text}{after}"


def in_windows_1252(text: str) -> bytes:
    """Encode a text as old Windows programs do, or in UTF-8 if the text has other characters."""
    try:
        return f"Één tekst\n{text}".encode("cp1252")
    except UnicodeEncodeError:
        return text.encode()


MAIL: Final = (
    "Received: from a.example by b.example; Mon, 2 Aug 2027 10:00:00 +0200\n"
    'MIME-Version: 1.0\nContent-Type: multipart/encrypted; protocol="application/pgp-encrypted";\n'
    ' boundary="x"\n\n--x\nContent-Type: application/pgp-encrypted\n\nVersion: 1\n\n'
    '--x\nContent-Type: application/octet-stream; name="encrypted.asc"\n'
)

WRAPPINGS: Final[dict[str, Wrapping]] = {
    "as it is": str,
    "on one line": one_line,
    "without breaks": without_breaks,
    "a wide line": wide,
    "wrapped again": wrapped_again(76),
    "wrapped narrow": wrapped_again(40),
    "broken once more": broken_again,
    "no end": without_end,
    "no begin": without_begin,
    "no begin and no end": without_both,
    "quoted": each_line("> {}"),
    "quoted twice": each_line(">> {}"),
    "quoted with a bar": each_line("| {}"),
    "indented": each_line("    {}"),
    "a zero-width space": each_line("{}\u200b"),
    "a no-break space": each_line("\u00a0\u00a0{}\u00a0"),
    "empty lines": each_line("{}\n"),
    "Windows lines": each_line("{}\r"),
    "a byte order mark": around("\ufeff", ""),
    "four dashes": with_dashes("----"),
    "em dashes": with_dashes("\u2014\u2014-"),
    "en dashes": with_dashes("\u2013\u2013\u2013"),
    "minus signs": with_dashes("\u2212" * 5),
    "small letters": lambda text: text.replace("-BEGIN ", "-Begin ").replace("-END ", "-End "),
    "a code fence": around("```\n", "```\n"),
    "a greeting on the line": around("Hello, see below: ", ""),
    "a greeting before": around("Beste adviseur,\n\n", ""),
    "words around": around("Hoi!\n", "\nGroeten van mij, en tot ziens\n"),
    "words on the last line": lambda text: f"Hoi {text.strip()} en tot ziens",
    "quoted-printable": in_quoted_printable,
    "an attachment in base64": in_base64,
    "an attached text with a mark": lambda text: in_base64(f"\ufeff{text}"),
    "a mail": around(f"{MAIL}\n", "\n--x--\n"),
    "a mail with base64": lambda text: f"{MAIL}Content-Transfer-Encoding: base64\n\n{in_base64(text)}\n--x--",
    "a mail in quoted-printable": lambda text: f"{MAIL}\n{in_quoted_printable(text)}\n--x--",
}
ENCODINGS: Final[dict[str, Callable[[str], bytes]]] = {
    "UTF-8": str.encode,
    "UTF-8 with a mark": lambda text: text.encode("utf-8-sig"),
    "UTF-16": lambda text: text.encode("utf-16"),
    "UTF-16 the other way round": lambda text: f"\ufeff{text}".encode("utf-16-be"),
    "UTF-16 without a mark": lambda text: text.encode("utf-16-le"),
    "UTF-16 the other way round without a mark": lambda text: text.encode("utf-16-be"),
    "Windows": in_windows_1252,
}
