"""Card files and pairing files, and false files that someone could carry instead."""

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import CryptoError, ForgedError, MalformedError
from protocol.errors import LetterheadRefusedError
from protocol.identifiers import StrandId
from protocol.letterhead import sign_letterhead
from protocol.pouch.pairing_file import CardFile, letterhead_digest, read_pairing
from protocol.pouch.pouch_file import ServerKey
from tests.protocol.desk_factories import DESK_KEY, FINGERPRINT, a_letterhead

_VECTORS = json.loads((Path(__file__).parents[2] / "vectors/pairing_v1.json").read_text("utf-8"))
_REFUSALS: dict[str, type[CryptoError]] = {
    "malformed": MalformedError,
    "forged": ForgedError,
    "letterhead_forged": LetterheadRefusedError,
}
_CARD = ServerKey.from_bytes(bytes(range(64))).card


@pytest.mark.parametrize("vector", _VECTORS["pairings"], ids=lambda vector: vector["name"])
def test_each_committed_pairing_ends_as_it_should(vector: dict[str, str]) -> None:
    raw = base64.b64decode(vector["file"])
    if vector["expect"] == "accepted":
        pairing, letterhead = read_pairing(raw, _VECTORS["fingerprint"])
        assert StrandId(pairing.strand) in letterhead.strand_keys
        assert pairing.to_bytes(b"seed of a strand, 32 bytes long!") == raw
        return
    with pytest.raises(_REFUSALS[vector["expect"]]):
        read_pairing(raw, _VECTORS["fingerprint"])


def test_there_are_vectors() -> None:
    assert len(_VECTORS["pairings"]) > 10


@given(st.binary())
def test_other_bytes_are_not_a_pairing(raw: bytes) -> None:
    with pytest.raises(MalformedError):
        read_pairing(b"steunpunt-pairing/1\n" + raw + b"\n\n", FINGERPRINT)
    with pytest.raises(MalformedError):
        CardFile.from_bytes(raw)


@pytest.mark.parametrize(
    "letterhead", [None, sign_letterhead(a_letterhead(), DESK_KEY)], ids=["alone", "letterhead"]
)
def test_a_card_file_reads_back_with_white_space_around_it(letterhead: tuple[bytes, bytes] | None) -> None:
    written = CardFile(_CARD, letterhead).to_bytes()

    assert CardFile.from_bytes(written) == CardFile(_CARD, letterhead)
    carried = b"\n  " + written.replace(b"\n", b" \r\n\r\n")
    assert CardFile.from_bytes(carried) == CardFile(_CARD, letterhead)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(f"{_CARD}\n{_CARD}\n".encode(), id="two cards"),
        pytest.param(f"{_CARD}\nletterhead YQ\n".encode(), id="no signature"),
        pytest.param(f"{_CARD}\nletterhead YR YQ\n".encode(), id="stray bits"),
        pytest.param(f"{_CARD}\nletterhead YQ YQ\nmore\n".encode(), id="a line too many"),
        pytest.param(b"steunpunt-card/2" + str(_CARD).encode()[16:], id="another version"),
    ],
)
def test_bytes_that_are_not_a_card_file_are_refused(raw: bytes) -> None:
    with pytest.raises(MalformedError):
        CardFile.from_bytes(raw)


def test_a_base_is_a_digest_of_the_body_only() -> None:
    body, _ = sign_letterhead(a_letterhead(), DESK_KEY)

    assert letterhead_digest(body) == letterhead_digest(body)
    assert len(letterhead_digest(body)) == 32
