import shutil
import subprocess
import tracemalloc
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto import age
from crypto.age import armor
from crypto.age.armor import Armoured, ArmourKind, find_armoured
from crypto.errors import MalformedError

ARMOUR = armor.enarmor(b"age-encryption.org/v1\n" + bytes(100))
BEGIN, *BODY, END = ARMOUR.splitlines()
MESSAGE = "-----BEGIN PGP MESSAGE-----\n\nhF4DAAAA\n=yjEF\n-----END PGP MESSAGE-----\n"


def lines(*some: str) -> str:
    return "".join(f"{line}\n" for line in some)


@given(st.binary(max_size=300))
def test_armour_comes_back_as_it_was(age_file: bytes) -> None:
    assert age_file == armor.dearmor(armor.enarmor(age_file))


@given(st.text())
def test_any_text_is_armour_in_one_spelling_or_malformed(text: str) -> None:
    with pytest.raises(MalformedError):
        armor.dearmor(text)
    with pytest.raises(MalformedError):
        armor.dearmor(lines(BEGIN, text + "*", END))


@pytest.mark.parametrize("size", [0, 1, 47, 48, 49, 96])
def test_lines_are_full_but_the_last(size: int) -> None:
    first, *body, last = armor.enarmor(bytes(size)).splitlines()
    assert (first, last) == (BEGIN, END)
    assert all(len(line) == 64 for line in body[:-1])
    assert not body or 0 < len(body[-1]) <= 64


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.rstrip("\n"),
        lambda text: f" \t\r\n{text}\r\n \n",
    ],
    ids=["CRLF", "no last newline", "white space around it"],
)
def test_changes_by_a_clipboard_are_accepted(change: Callable[[str], str]) -> None:
    assert armor.dearmor(ARMOUR) == armor.dearmor(change(ARMOUR))


@pytest.mark.parametrize(
    "text",
    [
        "",
        BEGIN,
        lines(BEGIN, *BODY),
        lines(*BODY, END),
        lines(BEGIN, "Comment: hello", "", *BODY, END),
        lines(BEGIN, "", *BODY, END),
        lines(BEGIN, *BODY, "", END),
        lines(BEGIN, BODY[0] + " ", *BODY[1:], END),
        lines(BEGIN, " " + BODY[0], *BODY[1:], END),
        lines(BEGIN, BODY[0][:60], BODY[0][60:] + BODY[1], *BODY[2:], END),
        lines(BEGIN, "".join(BODY), END),
        lines(BEGIN, *BODY, "=yjEF", END),
        lines(BEGIN, *BODY[:-1], BODY[-1].rstrip("="), END),
        lines(BEGIN, *BODY[:-1], BODY[-1].replace("AA=", "AB="), END),
        lines(BEGIN, BODY[0].replace("Y", "\N{CYRILLIC SMALL LETTER A}", 1), *BODY[1:], END),
        lines(BEGIN.lower(), *BODY, END),
        lines("hello", BEGIN, *BODY, END),
        ARMOUR + ARMOUR,
        MESSAGE,
    ],
    ids=[
        "nothing",
        "a beginning",
        "no end",
        "no beginning",
        "a header",
        "an empty line first",
        "an empty line last",
        "a space after a line",
        "a space before a line",
        "a short line",
        "a long line",
        "a checksum",
        "no padding",
        "stray bits",
        "another alphabet",
        "small letters",
        "something before it",
        "two at once",
        "OpenPGP",
    ],
)
def test_hostile_or_mangled_armour_is_malformed(text: str) -> None:
    with pytest.raises(MalformedError):
        armor.dearmor(text)


# ---- in a pasted text


def test_armour_is_found_among_words_with_its_place() -> None:
    text = f"Hello,\n\n{ARMOUR}and this too:\n{MESSAGE}Bye"
    sealed, message = find_armoured(text)
    assert (ArmourKind.AGE, ARMOUR) == (sealed.kind, sealed.armour)
    assert (ArmourKind.OPENPGP, MESSAGE) == (message.kind, message.armour)
    assert ARMOUR == text[sealed.start : sealed.end] + "\n"
    assert MESSAGE == text[message.start : message.end] + "\n"


@given(st.text(), st.text())
def test_text_around_armour_does_not_hide_it(before: str, after: str) -> None:
    text = f"{before}\n{ARMOUR}{after}"
    (found,) = find_armoured(text)
    assert ARMOUR == found.armour
    assert ARMOUR == text[found.start : found.end] + "\n"


@pytest.mark.parametrize("mangle", ["  {}", "{}  ", "\t{}\r"], ids=["indented", "trailing", "both"])
def test_armour_with_white_space_around_its_lines_is_found_and_opens(mangle: str) -> None:
    (found,) = find_armoured(lines(*[mangle.format(line) for line in ARMOUR.splitlines()]))
    assert armor.dearmor(ARMOUR) == armor.dearmor(found.armour)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-----BEGIN",
        lines(BEGIN, *BODY),
        lines(*BODY, END),
        lines(END, *BODY, BEGIN),
        f"see {ARMOUR}",
        ARMOUR.replace("\n", " "),
        lines(BEGIN, *BODY, "-----END PGP MESSAGE-----"),
        MESSAGE.replace("MESSAGE", "PUBLIC KEY BLOCK"),
    ],
    ids=[
        "nothing",
        "half a line",
        "no end",
        "no beginning",
        "the wrong way round",
        "in the middle of a line",
        "on one line",
        "another end",
        "a public key",
    ],
)
def test_text_that_is_not_armour_is_not_found(text: str) -> None:
    assert find_armoured(text) == ()


def test_a_beginning_without_an_end_swallows_nothing() -> None:
    (found,) = find_armoured(lines(BEGIN, "cut off here") + ARMOUR)
    assert ARMOUR == found.armour


def test_a_text_full_of_beginnings_is_read_in_one_pass() -> None:
    text = lines(*[BEGIN] * 100_000)
    assert find_armoured(text) == ()
    assert len(find_armoured(MESSAGE * 10_000)) == 10_000


def test_armour_does_not_show_in_a_log() -> None:
    assert "canary" not in repr(Armoured(ArmourKind.AGE, 0, 6, "canary"))


@pytest.mark.slow
def test_a_stock_age_tool_opens_our_armour_and_we_open_its_armour() -> None:
    tool = shutil.which("age")
    assert tool is not None
    identity = age.X25519Identity(b"x" * 32)
    made = subprocess.run(
        [tool, "--armor", "--recipient", str(identity.recipient)],
        input=b"hello",
        capture_output=True,
        check=True,
    ).stdout.decode("ascii")
    header, payload = age.split_file(armor.dearmor(made))
    assert age.decrypt(header, payload, [identity])[0] == b"hello"
    assert made == armor.enarmor(header + payload)


# ---- armour in pieces ------------------------------------------------------------------------------


def in_pieces(text: str, size: int) -> list[bytes]:
    raw = text.encode()
    return [raw[at : at + size] for at in range(0, len(raw), size)]


@given(st.binary(max_size=1000), st.integers(1, 300), st.sampled_from(["\n", "\r\n"]))
def test_a_stream_of_armour_is_read_as_the_whole(age_file: bytes, size: int, newline: str) -> None:
    armour = f" \r\n{armor.enarmor(age_file).replace(chr(10), newline)}\n "

    assert age_file == b"".join(armor.dearmor_stream(in_pieces(armour, size)))


@pytest.mark.parametrize("size", [1, 64, 65, 10_000])
@pytest.mark.parametrize("length", [0, 1, 45, 46, 47, 48, 49, 94, 95, 96, 97])
def test_an_armoured_file_of_any_length_is_read_although_its_last_line_is_full_and_padded(
    length: int, size: int
) -> None:
    age_file = b"x" * length
    assert b"".join(armor.dearmor_stream(in_pieces(armor.enarmor(age_file), size))) == age_file


@pytest.mark.parametrize("size", [1, 50, 10_000])
@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        BEGIN,
        lines(BEGIN),
        lines("-----BEGIN SOMETHING ELSE-----", *BODY, END),
        lines(BEGIN, *BODY),
        lines(BEGIN, "Comment: mine", *BODY, END),
        lines(BEGIN, BODY[-1], BODY[0], END),
        lines(BEGIN, "A" * 62 + "==", "A" * 64, END),
        lines(BEGIN, "A" * 63 + "*", "A" * 64, END),
        lines(BEGIN, "A" * 63 + "é", "A" * 64, END),
        lines(BEGIN, "AAAé", END),
        lines(BEGIN, *BODY, END, "and more"),
        lines(BEGIN, *BODY, END) * 2,
    ],
    ids=[
        "nothing", "white space", "cut off in the first line", "cut off after it", "another label", "no end",
        "a header line", "a short line in between", "padding in between", "no base64", "no ASCII",
        "no ASCII at the end", "more after the end", "twice",
    ],
)  # fmt: skip
def test_a_stream_of_something_else_is_malformed(text: str, size: int) -> None:
    with pytest.raises(MalformedError):
        b"".join(armor.dearmor_stream(in_pieces(text, size)))


@pytest.mark.parametrize("text", [" " * 5_000, BEGIN + "x" * 5_000, f"{ARMOUR}{' ' * 5_000}"])
def test_a_stream_that_is_not_armour_cannot_fill_the_memory(text: str) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield text.encode()

    with pytest.raises(MalformedError):
        for _ in armor.dearmor_stream(endless()):
            pass


def test_a_long_stream_takes_no_more_memory_than_its_pieces() -> None:
    line = b"A" * 64 + b"\n"

    def long() -> Iterator[bytes]:
        yield BEGIN.encode() + b"\n"
        for _ in range(100):
            yield line * 1000
        yield END.encode()

    tracemalloc.start()
    try:
        size = sum(len(piece) for piece in armor.dearmor_stream(long()))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert size == 100 * 1000 * 48
    assert peak < 1_000_000
