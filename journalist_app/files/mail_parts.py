"""Parts of an e-mail message (MIME) that a source encrypted as a whole, as mail programs do (PGP/MIME)."""

import email
import re
from contextlib import suppress
from dataclasses import dataclass, field
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from typing import Final, cast

from journalist_app.files.file_types import with_file_ending
from web.filenames import safe_name

# A hostile message makes the parser slow: the parser takes one step for each line and each part around that
# line, and the square of the length of a header. (Python also refuses numbers of more than 4,300 digits.)
_PARTS: Final = 40  # limit of parts, and of fields about the content of parts
_LONG_FIELD: Final = re.compile(rb"content-[a-z-]+:(?:[^\r\n]|[\r\n]+[ \t]){4000}")
# Not every decoder of Python: some take minutes for a long text.
_CHARSET: Final = re.compile(r"iso-8859-(1[03-6]|[1-9])|windows-125[0-8]|koi8-[ru]|gb18030|big5|euc-(jp|kr)")
_HEADERS: Final = re.compile(rb"(?:[!-9;-~]+:.*\n(?:[ \t].*\n)*+)*?(?i:content-type):[ \t]*[A-Za-z]+/")


@dataclass(frozen=True, slots=True)
class MailPart:
    """Part of a message: a file if it has a name, otherwise a text to show, in UTF-8."""

    name: str = field(repr=False)
    content: bytes = field(repr=False)


def is_mail(content: bytes) -> bool:
    """Return True if bytes begin as an e-mail message does: with headers, among them the type of content."""
    return _HEADERS.match(content) is not None


def split_mail(content: bytes) -> tuple[MailPart, ...]:
    """Return the texts and the files of an e-mail message, and the whole message as the last file.

    Other bytes, and a message that cannot be read or takes long to read, are returned as one part without a
    name.
    """
    alone = (MailPart("", content),)
    lower = content.lower() if is_mail(content) else b""
    if not 0 < lower.count(b"content-") <= _PARTS or _LONG_FIELD.search(lower):
        return alone
    with suppress(TypeError, ValueError):  # some hostile headers stop Python's parser
        message = email.message_from_bytes(content)
        leaves = [each for each in message.walk() if not each.is_multipart()]
        if len(leaves) <= _PARTS:
            parts = [_part(*each) for each in enumerate(leaves, start=1)]
            subject = _readable(str(message.get("Subject", ""))[:1000]).encode("utf-8", "replace")
            return (*([MailPart("", subject)] if subject else []), *parts, MailPart("message.eml", content))
    return alone


def _part(number: int, leaf: Message) -> MailPart:
    content, name = cast("bytes", leaf.get_payload(decode=True)), leaf.get_filename()
    if name:
        return MailPart(safe_name(_readable(name)), content)
    if leaf.get_content_type() != "text/plain":
        return MailPart(with_file_ending(f"part-{number}", content), content)
    charset = _CHARSET.fullmatch(leaf.get_content_charset(""))
    return MailPart("", content.decode(charset[0] if charset else "utf-8", "replace").encode())


def _readable(header: str) -> str:
    """Decode the words of a header that are not ASCII. A header that cannot be decoded stays as it is."""
    with suppress(LookupError, ValueError, MessageError):
        return str(make_header(decode_header(header)))
    return header
