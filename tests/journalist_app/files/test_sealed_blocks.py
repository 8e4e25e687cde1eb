"""Encrypted blocks in every wrapping that people produce: each gives the bytes that were encrypted."""

import base64
import random
import re
import shutil
import subprocess
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crypto import age
from crypto.errors import MalformedError
from journalist_app.files import sealed_blocks
from journalist_app.files.sealed_blocks import (
    HEAD_BYTES,
    SEARCHED_BYTES,
    SealedBlock,
    SealedFormat,
    UnwrappedFile,
    find_sealed,
    format_of,
    shows_nothing,
)
from tests.journalist_app.files import wrappings
from tests.journalist_app.files.sealing import enarmor
from tests.journalist_app.files.wrappings import ENCODINGS, MAIL, WRAPPINGS, each_line, with_dashes

AGE = b"age-encryption.org/v1\n" + random.Random(1).randbytes(300)
OPENPGP = b"\x84\x5e\x03" + random.Random(2).randbytes(8) + b"\x12" + random.Random(3).randbytes(300)
FORMATS = [SealedFormat.AGE, SealedFormat.OPENPGP]
BEGIN, *BODY, END = enarmor(AGE).splitlines()


def openpgp_armour(packets: bytes, *headers: str) -> str:
    """Return packets in ASCII armour, as gpg writes it, with a checksum of no meaning."""
    body = base64.encodebytes(packets).decode()
    named = "".join(f"{header}\n" for header in headers)
    return f"-----BEGIN PGP MESSAGE-----\n{named}\n{body}=yjEF\n-----END PGP MESSAGE-----\n"


def sealed(format_: SealedFormat) -> tuple[bytes, str]:
    return (AGE, enarmor(AGE)) if format_ is SealedFormat.AGE else (OPENPGP, openpgp_armour(OPENPGP))


def in_pieces(content: bytes, size: int = 65_536) -> Iterator[bytes]:
    for at in range(0, len(content), size):
        yield content[at : at + size]


def unwrapped(content: bytes) -> tuple[SealedFormat | None, bytes, bool]:
    file = UnwrappedFile(in_pieces(content))
    return file.format, b"".join(file.pieces), file.has_rest


# ---- wrappings


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("name", WRAPPINGS)
def test_a_block_is_found_in_every_wrapping(name: str, format_: SealedFormat) -> None:
    content, armour = sealed(format_)

    (block,) = find_sealed(WRAPPINGS[name](armour))

    assert (format_, content) == (block.format, block.binary())


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("name", WRAPPINGS)
def test_a_block_is_found_in_a_file_in_every_wrapping(
    name: str, encoding: str, format_: SealedFormat
) -> None:
    content, armour = sealed(format_)

    found, opened, _ = unwrapped(ENCODINGS[encoding](WRAPPINGS[name](armour)))

    assert (format_, content) == (found, opened)


LAYOUTS = ["as it is", "on one line", "without breaks", "a wide line", "wrapped again", "wrapped narrow"]
LOSSES = ["as it is", "no end", "no begin", "no begin and no end"]
DASHES = ["as it is", "four dashes", "em dashes", "en dashes", "minus signs", "small letters"]
LINES = [
    "quoted", "quoted twice", "quoted with a bar", "indented", "a zero-width space", "a no-break space",
    "empty lines", "Windows lines",
]  # fmt: skip
AROUND = [
    "as it is", "a byte order mark", "a code fence", "a greeting on the line", "a greeting before",
    "words around", "a mail",
]  # fmt: skip


@given(
    st.binary(max_size=500),
    st.sampled_from(FORMATS),
    st.tuples(*map(st.sampled_from, (LAYOUTS, LOSSES, DASHES))),
    st.lists(st.sampled_from(LINES), max_size=4),
    st.sampled_from(AROUND),
    st.sampled_from(list(ENCODINGS)),
)
@example(bytes(25), SealedFormat.OPENPGP, ("wrapped narrow", "no end", "as it is"), [], "as it is", "UTF-8")
def test_a_block_in_any_wrappings_of_wrappings_still_opens(
    content: bytes, format_: SealedFormat, inner: tuple[str, ...], lines: list[str], outer: str, encoding: str
) -> None:
    packets = (AGE if format_ is SealedFormat.AGE else OPENPGP)[:30] + content
    text = enarmor(packets) if format_ is SealedFormat.AGE else openpgp_armour(packets)
    for name in (*inner, *lines, outer):
        text = WRAPPINGS[name](text)

    (block,) = find_sealed(text)
    found, opened, _ = unwrapped(ENCODINGS[encoding](text))

    assert (format_, packets) == (block.format, block.binary())
    assert (format_, packets) == (found, opened)


def test_headers_of_old_programs_do_not_hide_a_block() -> None:
    for armour in (
        openpgp_armour(OPENPGP, "Version: GnuPG v2", "Comment: Using GnuPG with Thunderbird"),
        wrappings.one_line(openpgp_armour(OPENPGP, "Version: BCPG v1.58")),
        openpgp_armour(b"\xca\x03PGP" + OPENPGP, "Charset: utf-8"),
    ):
        (block,) = find_sealed(armour)
        assert block.binary().removeprefix(b"\xca\x03PGP") == OPENPGP


def test_a_body_of_full_lines_ends_before_the_words_behind_it() -> None:
    for size in range(96, 120):
        packets = OPENPGP[:size]
        for text in (base64.encodebytes(packets).decode(), enarmor(AGE[:size]).rpartition("-----END")[0]):
            (block,) = find_sealed(f"{text}\nGroeten\nvan mij")
            assert block.binary() in (packets, AGE[:size])


def test_blocks_are_found_among_words_with_their_places() -> None:
    armour, message = enarmor(AGE), openpgp_armour(OPENPGP)
    text = f"Hello,\n\n{armour}and this too:\n{message}Bye"

    found = find_sealed(text)

    assert [armour, message] == [f"{text[each.start : each.end]}\n" for each in found]
    assert [AGE, OPENPGP] == [each.binary() for each in found]


@given(st.text(), st.text())
def test_text_around_a_block_does_not_hide_it(before: str, after: str) -> None:
    armour = enarmor(AGE)
    text = f"{before}\n{armour}{after}"

    (block,) = find_sealed(text)

    assert (AGE, armour) == (block.binary(), text[block.start : block.end] + "\n")


def binary_or_none(block: SealedBlock) -> bytes | None:
    try:
        return block.binary()
    except MalformedError:
        return None


@given(st.text())
def test_any_text_is_base64_or_malformed(text: str) -> None:
    for each in (text, f"{BEGIN}{text}", f"{text}{END}", f"{BEGIN}{text}{END}", f"{BODY[0]}{text}"):
        for block in find_sealed(each):
            assert binary_or_none(block) != AGE
        assert unwrapped_or_none(each.encode()) != AGE


def unwrapped_or_none(content: bytes) -> bytes | None:
    try:
        return unwrapped(content)[1]
    except MalformedError:
        return None


@pytest.mark.parametrize(
    "text",
    [
        "", "-----BEGIN", END, "Het is hier: hij zei het me.", "BEGIN PGP MESSAGE",
        openpgp_armour(OPENPGP).replace("MESSAGE", "PUBLIC KEY BLOCK").replace("hF4D", "mF4D"),
        base64.encodebytes(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----").decode(),
        base64.encodebytes(b"\xff\xd8\xff\xe0 photo" + bytes(100)).decode(),
        "h" * 100, "https://example.org/" + "y" * 100,
    ],
    ids=[
        "nothing", "half a line", "a last line", "prose", "a first line without dashes", "a public key",
        "a certificate in base64", "a photo in base64", "letters", "an address",
    ],
)  # fmt: skip
def test_text_that_is_not_encrypted_is_not_found(text: str) -> None:
    assert find_sealed(text) == ()
    assert unwrapped(text.encode()) == (None, text.encode(), False)


def test_a_beginning_without_a_body_swallows_nothing() -> None:
    begun, block = find_sealed(f"{BEGIN}\n, cut off here\n{enarmor(AGE)}")

    assert (b"", AGE) == (begun.binary(), block.binary())


def test_a_text_that_only_mentions_a_first_line_is_not_encrypted() -> None:
    for text in (f"Zet {BEGIN} erboven.", f"Tussen {BEGIN} en {END} staat de tekst.", f"({BEGIN})\nhier"):
        assert find_sealed(text) == ()
    for alone in (BEGIN, f"> {BEGIN}\n", f"Hoi,\n{BEGIN}", f"{BEGIN}\n{END}", f"Hoi, {BEGIN} {BODY[0]}"):
        assert len(find_sealed(alone)) == 1


@pytest.mark.parametrize(
    "name", ["as it is", "on one line", "quoted", "wrapped again", "no begin and no end"]
)
@pytest.mark.parametrize("kind", ["PUBLIC KEY BLOCK", "SIGNATURE", "PHOTO"])
def test_base64_of_a_key_in_a_text_is_not_encrypted(name: str, kind: str) -> None:
    """Of 20,000 lines of base64 one begins as an encrypted file does, so a file of a photo has several."""
    later = b"".join(random.Random(4).randbytes(48 * 40) + OPENPGP[:48] + AGE[:48] for _ in range(100))
    body = (
        base64.encodebytes(b"\x99\x01" + bytes(55) + b"-----BEGIN!!" * 4 + b"xxx" + later)
        .decode()
        .replace("\n", "")
    )
    lines = "\n".join(body[at : at + 64] for at in range(0, len(body), 64))
    text = WRAPPINGS[name](f"-----BEGIN PGP {kind}-----\n\n{lines}\n=yjEF\n-----END PGP {kind}-----\n")

    assert unwrapped(f"Mijn sleutel:\n{text}\nGroeten".encode())[0] is None


def test_two_bodies_without_first_lines_are_two_blocks() -> None:
    for between in ("\n", "\nen ook:\n"):
        found = find_sealed(base64.encodebytes(OPENPGP).decode() + between + "\n".join(BODY))

        assert [OPENPGP, AGE] == [each.binary() for each in found]


def test_a_text_full_of_beginnings_is_read_in_one_pass() -> None:
    assert len(find_sealed(f"{BEGIN}\n" * 100_000)) == 100_000
    assert len(find_sealed(f"a {BEGIN} b\n" * 20_000)) == 0
    assert len(find_sealed(openpgp_armour(OPENPGP) * 1000)) == 1000
    for hostile in ("-", "- ", "\u2014", " ", ">", "-BEGIN ", "h" * 33 + " ", BODY[0] + " ", "\u200b"):
        assert len(find_sealed(hostile * (1_000_000 // len(hostile)))) <= 1


AGE_BLOCK = base64.b64encode(b"age-encryption.org/v1\n\n\n").decode()
MAIL_BLOCK = base64.b64encode(b"-----BEGIN PGP MESSAGE--").decode()


@pytest.mark.parametrize(
    "hostile",
    [
        ".7" + "A" * 31,
        f".{AGE_BLOCK}",
        f"{MAIL_BLOCK}.",
        f"{AGE_BLOCK} .",
        f"{AGE_BLOCK} =AAAA ",
        f"{AGE_BLOCK}\n{AGE_BLOCK[1:]}\n",
        AGE_BLOCK + " " * 300 + ".",
        f"x {BEGIN} x\n",
    ],
)
def test_no_part_of_a_text_is_read_again_for_each_block(
    monkeypatch: pytest.MonkeyPatch, hostile: str
) -> None:
    """Attack: many first lines without a space between them. Each was read to the end of the text."""
    read: list[int] = []

    class Counted:
        def __init__(self, pattern: re.Pattern[str]) -> None:
            self.pattern = pattern

        def __getattr__(self, name: str) -> Callable[..., object]:
            def noted(*args: Any) -> object:  # noqa: ANN401  # arguments of a pattern
                found = getattr(self.pattern, name)(*args)
                if name == "sub":
                    read.append(len(args[1]))
                if not isinstance(found, Iterator):
                    return lengths_of(found)
                return map(lengths_of, found)

            return noted

    def lengths_of(found: object) -> object:
        if isinstance(found, re.Match):
            read.append(len(found[0]))
        return found

    for name, pattern in list(vars(sealed_blocks).items()):
        if isinstance(pattern, re.Pattern):
            monkeypatch.setattr(sealed_blocks, name, Counted(pattern))
    text = hostile * (100_000 // len(hostile))

    find_sealed(text)

    assert sum(read) <= 10 * len(text)


def test_armour_in_armour_in_base64_ends() -> None:
    text = "x" * 100
    for _ in range(30):
        text = base64.b64encode(f"-----BEGIN PGP MESSAGE-----\n{text}".encode()).decode()

    (block,) = find_sealed(text)

    assert block.is_closed


@pytest.mark.parametrize("cut", [1, 2, 3, 5, 100])
@pytest.mark.parametrize("format_", FORMATS)
def test_a_body_with_a_missing_part_is_never_the_whole(format_: SealedFormat, cut: int) -> None:
    content, armour = sealed(format_)
    body = "".join(wrappings.lines_of(armour)[1]).removesuffix("=yjEF").rstrip("=")

    for text in (f"{BEGIN}\n{body[:-cut]}\n{END}", body[:-cut]):
        (block,) = find_sealed(text)
        assert binary_or_none(block) != content


def test_no_repr_shows_a_block() -> None:
    assert "canary" not in repr(SealedBlock(SealedFormat.AGE, 0, 6, 0, "canary"))


def test_only_quote_marks_show_nothing() -> None:
    for text in ("", "> \n>\n", "```\n", "\u200b", "| "):
        assert shows_nothing(text)
    assert not shows_nothing("> ?")


# ---- files


@pytest.mark.parametrize("piece_bytes", [1000, 65_536])
@pytest.mark.parametrize("length", [0, 1, 2, 45, 46, 47, 48, 49])
def test_a_long_file_of_any_length_is_decoded(length: int, piece_bytes: int) -> None:
    age_file = AGE + bytes(HEAD_BYTES + length)
    for text in (enarmor(age_file), openpgp_armour(age_file), wrappings.without_end(enarmor(age_file))):
        file = UnwrappedFile(in_pieces(text.encode(), piece_bytes))
        assert (SealedFormat.AGE, age_file, False) == (file.format, b"".join(file.pieces), file.has_rest)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("before", [HEAD_BYTES // 2 - 40, HEAD_BYTES - 40, HEAD_BYTES + 40, 5 * HEAD_BYTES])
def test_a_block_after_a_long_text_is_found(before: int, encoding: str) -> None:
    text = f"{'woord ' * (before // 6)}\n{enarmor(AGE + bytes(HEAD_BYTES))}"

    assert (SealedFormat.AGE, AGE + bytes(HEAD_BYTES), True) == unwrapped(ENCODINGS[encoding](text))


def test_a_text_is_searched_for_eight_megabytes_and_stays_as_it_is() -> None:
    line = "woorden over het werk\n"
    for size, found in ((SEARCHED_BYTES - 1000, SealedFormat.AGE), (SEARCHED_BYTES + 1, None)):
        content = (line * (size // len(line) + 1) + enarmor(AGE)).encode()
        assert (found, AGE if found else content) == unwrapped(content)[:2]


def test_a_file_that_is_no_text_is_not_read_further_than_its_head() -> None:
    read: list[int] = []

    def pieces() -> Iterator[bytes]:
        for number in range(100):
            read.append(number)
            yield b"\xff\xd8" + random.Random(number).randbytes(HEAD_BYTES)

    assert UnwrappedFile(pieces()).format is None
    assert [0] == read


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_long_file_is_decoded_in_every_encoding(encoding: str) -> None:
    age_file = AGE + bytes(3 * HEAD_BYTES)
    text = each_line("> {}\u200b")(with_dashes("\u2014\u2014-")(enarmor(age_file)))
    if encoding == "Windows":
        text = enarmor(age_file)

    found, opened, _ = unwrapped(ENCODINGS[encoding](text))

    assert (SealedFormat.AGE, age_file) == (found, opened)


@pytest.mark.parametrize("size", [10, 2 * HEAD_BYTES])
@pytest.mark.parametrize(
    ("before", "after", "has_rest"),
    [
        ("", "", False),
        ("\ufeff> ", "> \n", False),
        ("Beste adviseur,\n", "", True),
        ("", "Groeten", True),
        (MAIL + "\n", "\n--x--", True),
        ("", enarmor(AGE), True),
    ],
    ids=["nothing", "quote marks", "a greeting", "words behind it", "a mail", "a second block"],
)
def test_text_outside_the_block_of_a_file_is_said(
    before: str, after: str, size: int, *, has_rest: bool
) -> None:
    text = f"{before}{enarmor(AGE + bytes(size))}{after}"

    assert (SealedFormat.AGE, AGE + bytes(size), has_rest) == unwrapped(text.encode())


def test_a_short_block_at_the_beginning_of_a_long_file_is_not_the_whole_file() -> None:
    text = f"{enarmor(AGE)}{'woorden ' * HEAD_BYTES}"

    assert (SealedFormat.AGE, AGE, True) == unwrapped(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        f"{BEGIN}\n{'A' * 64}=====A\n{END}",
        f"{BEGIN}\n{'A' * 4096 * 65}=AAA={'A' * 70_000}",
        f"{BEGIN}\n{'A' * 4096 * 65}=A=A=A\n{END}",
        f"{BEGIN}\n{'A' * 4096 * 65}A\n{END}",
    ],
    ids=["short", "no end to the end", "padding in between", "a missing part"],
)
def test_a_file_that_is_no_base64_is_malformed(text: str) -> None:
    file = UnwrappedFile(in_pieces(text.encode()))

    with pytest.raises(MalformedError):
        b"".join(file.pieces)


def test_no_line_of_a_text_is_decoded_twice_as_an_attachment(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    look = sealed_blocks.find_sealed
    monkeypatch.setattr(sealed_blocks, "find_sealed", lambda text: looked.append(len(text)) or look(text))
    line = base64.b64encode(b"-----BEGIN " + b"x" * 13).decode()

    assert look(f"{line}\n" * 1500) == ()
    assert sum(looked) <= 1500 * 24


def test_a_binary_file_is_never_read_as_a_text() -> None:
    for content in (b"\x00" + enarmor(AGE).encode(), bytes(300), b"", b"x" * (HEAD_BYTES + 5)):
        assert unwrapped(content) == (None, content, False)
    assert [SealedFormat.AGE, SealedFormat.OPENPGP, None] == [*map(format_of, (AGE, OPENPGP, b"\x84\x00"))]


def test_a_long_armoured_file_takes_no_more_memory_than_its_pieces() -> None:
    line = b"A" * 64 + b"\n"

    def long() -> Iterator[bytes]:
        yield f"{BEGIN}\n{BODY[0]}\n".encode()
        for _ in range(200):
            yield line * 1000
        yield END.encode()

    tracemalloc.start()
    try:
        size = sum(len(piece) for piece in UnwrappedFile(long()).pieces)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert size == 200 * 1000 * 48 + 48
    assert peak < 4_000_000


@pytest.mark.slow
def test_a_stock_age_tool_writes_armour_that_we_open() -> None:
    tool = shutil.which("age")
    assert tool is not None
    identity = age.X25519Identity(b"x" * 32)
    made = subprocess.run(
        [tool, "--armor", "--recipient", str(identity.recipient)],
        input=b"hello",
        capture_output=True,
        check=True,
    ).stdout.decode("ascii")

    (block,) = find_sealed(made)

    assert age.decrypt(*age.split_file(block.binary()), [identity])[0] == b"hello"
    assert made == enarmor(block.binary())
