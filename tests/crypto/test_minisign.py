import base64
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import ForgedError, MalformedError
from crypto.minisign import PublicKey, SecretKey

_KEY = SecretKey(b"k" * 32)
_OTHER = SecretKey(b"o" * 32)
_SIGNED = b"what is signed"
_SIGNATURE = _KEY.sign(_SIGNED, "comment 1")
_LINES = _SIGNATURE.decode("utf-8").splitlines()


def _with_line(number: int, line: str) -> bytes:
    lines = [*_LINES]
    lines[number] = line
    return "".join(f"{line}\n" for line in lines).encode("utf-8")


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


@given(st.binary(), st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"])))
def test_what_is_signed_verifies_with_its_comment(signed: bytes, comment: str) -> None:
    assert comment == _KEY.public.verify(signed, _KEY.sign(signed, comment))


def test_a_public_key_reads_back_from_its_56_characters() -> None:
    text = str(_KEY.public)
    assert text.startswith("RW")
    assert len(text) == 56
    assert _KEY.public == PublicKey.from_text(text)


@pytest.mark.parametrize(
    "text", ["", "RW", "é" * 56, str(_KEY.public) + "\n", "QQ" + str(_KEY.public)[2:], _base64(bytes(10))]
)
def test_a_public_key_with_a_fault_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        PublicKey.from_text(text)


@given(st.integers(0, len(_SIGNATURE) - 1), st.integers(1, 255))
def test_any_flipped_byte_that_counts_is_detected(at: int, flip: int) -> None:
    changed = bytearray(_SIGNATURE)
    changed[at] ^= flip
    untrusted = len("untrusted comment: ") <= at < len(_LINES[0])
    try:
        _KEY.public.verify(_SIGNED, bytes(changed))
    except ForgedError:
        return
    assert untrusted  # the one line that minisign leaves unsigned, and that we never read


@given(st.binary(max_size=300))
def test_random_bytes_are_not_a_signature(raw: bytes) -> None:
    with pytest.raises(ForgedError):
        _KEY.public.verify(_SIGNED, raw)


@pytest.mark.parametrize(
    "signature",
    [
        pytest.param(_OTHER.sign(_SIGNED, "comment 1"), id="another key"),
        pytest.param(_KEY.sign(b"other bytes", "comment 1"), id="over other bytes"),
        pytest.param(_with_line(2, "trusted comment: comment 2"), id="another trusted comment"),
        pytest.param(_with_line(3, _LINES[1]), id="another second signature"),
        pytest.param(
            _with_line(1, _base64(b"Ed" + base64.b64decode(_LINES[1])[2:])), id="the older algorithm"
        ),
        pytest.param(
            _with_line(1, _base64(base64.b64decode(_LINES[1])[:-1])), id="a first signature too short"
        ),
        pytest.param(_with_line(3, "QUJD"), id="a second signature too short"),
        pytest.param(_with_line(1, _LINES[1][:-1]), id="base64 cut off"),
        pytest.param(_with_line(3, _LINES[3][:-3] + "h=="), id="base64 with stray bits"),
        pytest.param(_SIGNATURE + b"\n", id="a line too many"),
        pytest.param(_SIGNATURE.replace(b"\n", b"\r\n"), id="other line ends"),
        pytest.param(b"\xff" + _SIGNATURE, id="not UTF-8"),
    ],
)
def test_a_signature_with_one_fault_is_refused(signature: bytes) -> None:
    with pytest.raises(ForgedError):
        _KEY.public.verify(_SIGNED, signature)


@pytest.mark.parametrize("comment", ["two\nlines", "two\rlines"])
def test_a_comment_cannot_contain_a_new_line(comment: str) -> None:
    with pytest.raises(MalformedError):
        _KEY.sign(_SIGNED, comment)


def test_the_seed_never_shows_in_a_repr() -> None:
    assert "kkkk" not in repr(_KEY)


@pytest.mark.slow
def test_debians_minisign_verifies_ours_and_refuses_a_changed_one(tmp_path: Path) -> None:
    (tmp_path / "letter").write_bytes(_SIGNED)
    (tmp_path / "letter.minisig").write_bytes(_SIGNATURE)
    command = ["minisign", "-V", "-Q", "-P", str(_KEY.public), "-m", tmp_path / "letter"]
    assert subprocess.run(command, check=True, capture_output=True).stdout == b"comment 1\n"
    for name, raw in (("letter", b"changed"), ("letter.minisig", _with_line(2, "trusted comment: other"))):
        before = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(raw)
        assert subprocess.run(command, check=False, capture_output=True).returncode != 0
        (tmp_path / name).write_bytes(before)
