import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from crypto import signed_lines
from crypto.errors import ForgedError, MalformedError

_SEED = b"s" * 32
_KEY = bytes(SigningKey(_SEED).verify_key)
_GOOD = signed_lines.write_signed_lines(b"version/1", b"{}", _SEED)


@given(st.binary().filter(lambda body: b"\n" not in body))
def test_signed_lines_read_back_and_verify(body: bytes) -> None:
    read, signature = signed_lines.read_signed_lines(
        b"version/1", signed_lines.write_signed_lines(b"version/1", body, _SEED)
    )
    assert body == read
    signed_lines.check_signed_lines(b"version/1", read, signature, _KEY)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(_GOOD.replace(b"/1", b"/2"), id="another version"),
        pytest.param(_GOOD[:-1], id="no newline at the end"),
        pytest.param(_GOOD + b"\n", id="a line too many"),
        pytest.param(b"version/1\n{}\n\xff\n", id="a signature that is not ASCII"),
        pytest.param(b"version/1\n{}\nYR\n", id="a signature with stray bits"),
    ],
)
def test_anything_else_is_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedError):
        signed_lines.read_signed_lines(b"version/1", raw)


def test_another_body_version_key_or_length_is_forged() -> None:
    body, signature = signed_lines.read_signed_lines(b"version/1", _GOOD)
    for version, signed, made, key in (
        (b"version/1", b"[]", signature, _KEY),
        (b"version/2", body, signature, _KEY),
        (b"version/1", body, signature, bytes(SigningKey(bytes(32)).verify_key)),
        (b"version/1", body, signature[:-1], _KEY),
    ):
        with pytest.raises(ForgedError):
            signed_lines.check_signed_lines(version, signed, made, key)
