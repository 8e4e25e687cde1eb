"""Mutated OpenPGP and age inputs, and deep JSON: none holds a page over its limit or leaves anything."""

import random
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from crypto import age
from crypto.canonical_json import encode_json
from crypto.errors import CryptoError, UnreadableError
from gpg.home import GpgHome
from gpg.process import RUN_SECONDS
from journalist_app.files.presealed import PieceKind, PresealedCache, PresealedKind, Unsealer
from programs.runner import IN_MEMORY
from protocol.content import Content, Kind
from tests.gpg.gpg_factories import TODAY
from tests.journalist_app.files.sealing import age_armour, age_file, gpg_file, openpgp_armour, openpgp_bomb
from tests.programs.hostile_programs import comes_true, running_with
from tests.proofs.proof_sizes import IS_WHOLE, MUTATIONS, print_result

pytestmark = pytest.mark.slow

DESK = age.PQIdentity(b"d" * 32)
TEXT = b"wat er gebeurde\n" * 400
CHOICE = random.Random(13)  # always the same choices, so that a failure can be repeated


@pytest.fixture(scope="module")
def desk() -> Iterator[GpgHome]:
    parent = IN_MEMORY / f"steunpunt-test-{secrets.token_hex(6)}"
    with GpgHome.open(parent) as home:
        yield home
    shutil.rmtree(parent)


@pytest.fixture(scope="module")
def seeds(desk: GpgHome) -> list[bytes]:
    """Return one input of each kind, as a source may send it in a file."""
    own = desk.make_key("Steunpunt", TODAY).fingerprint
    password = ("-c", "--passphrase", "x", "--pinentry-mode=loopback", "--s2k-count=1024")
    openpgp = [
        gpg_file(desk, own, TEXT, *options)
        for options in ((), ("-s",), ("-z", "0"), ("--compress-algo=bzip2",), ("--throw-keyids",), password)
    ]
    return [
        *openpgp,
        gpg_file(desk, own, openpgp_bomb(2), "--no-literal", "-z", "0"),
        openpgp_bomb(2),
        openpgp_armour(openpgp[0]).encode(),
        age_file(TEXT, [DESK.recipient]),
        age_armour(TEXT, [DESK.recipient]).encode(),
    ]


def mutated(raw: bytes) -> bytes:
    """Change, remove, repeat or insert a few bytes, mostly near the beginning, where the structure is."""
    made = bytearray(raw)
    for _ in range(CHOICE.choice((1, 1, 2, 5, 20))):
        at = min(int(CHOICE.expovariate(1 / 60)), len(made) - 1) if CHOICE.random() < 0.7 else 0
        at = at or CHOICE.randrange(len(made))
        size = CHOICE.choice((1, 1, 2, 4, 64))
        piece = [
            bytes([made[at] ^ 1 << CHOICE.randrange(8)]),
            CHOICE.randbytes(size),
            b"\xff" * size,
            b"",
            bytes(made[at : at + size]) * 2,
        ][CHOICE.randrange(5)]
        made[at : at + size] = piece
    return bytes(made) or b"\x00"


def open_everywhere(desk: GpgHome, raw: bytes) -> int:
    """Open an input as a file and, in armour, as a text. Return how many of the two were decrypted."""
    unsealer = Unsealer([DESK], desk, PresealedCache(), at_most=8_000_000_000)  # as in the settings
    info = unsealer.inspect(b"id", "a.gpg", lambda: [raw])
    try:
        file = unsealer.file("a.gpg", [raw])
        assert sum(len(piece) for piece in file.pieces) <= 8_000_000_000
    except UnreadableError:
        pass
    text = raw.decode("utf-8", "replace") if raw.startswith(b"-----") else openpgp_armour(raw)
    pieces = unsealer.text(text)
    return (info.kind is PresealedKind.OPENED) + any(each.kind is PieceKind.OPENED for each in pieces)


def what_is_left(desk: GpgHome) -> tuple[set[int], set[Path], int]:
    """Return the programs and files of gpg's home, and the number of open files of this process."""
    open_files = list(Path("/proc/self/fd").iterdir())
    return set(running_with(str(desk.folder))), set(desk.folder.rglob("*")), len(open_files)


def test_no_mutated_input_holds_a_page_or_leaves_anything(desk: GpgHome, seeds: list[bytes]) -> None:
    assert all(open_everywhere(desk, seed) for seed in (seeds[0], seeds[1], *seeds[-3:]))
    programs, *files = what_is_left(desk)
    slowest, opened = 0.0, 0
    for number in range(MUTATIONS):
        raw = mutated(seeds[number % len(seeds)])
        since = time.monotonic()
        opened += open_everywhere(desk, raw)
        slowest = max(slowest, time.monotonic() - since)

    assert comes_true(lambda: what_is_left(desk)[0] <= programs)
    assert files == [*what_is_left(desk)[1:]]
    if IS_WHOLE:
        assert slowest < 3 * RUN_SECONDS + 5  # each input was opened three times
    print_result(
        f"{MUTATIONS} mutated inputs: {opened} opened, the slowest took {slowest:.1f} s, nothing was left"
    )


def test_no_content_with_json_of_any_depth_raises_an_unexpected_exception() -> None:
    seed = encode_json(Content(kind=Kind.MESSAGE, text="hello", language="nl"))
    openings = (b"[", b'{"a":', b"[[],", b'{"":[')
    texts = []
    for _ in range(MUTATIONS):
        at, depth = CHOICE.randrange(len(seed) + 1), int(10 ** CHOICE.uniform(1, 5))
        deep = CHOICE.choice(openings) * depth
        with suppress(CryptoError):
            texts.append(Content.from_bytes(seed[:at] + deep + seed[at:]).text)
    assert all("[" in text for text in texts)  # the brackets were inserted into the text
    print_result(f"{MUTATIONS} contents with up to 100,000 brackets: {MUTATIONS - len(texts)} were refused")
