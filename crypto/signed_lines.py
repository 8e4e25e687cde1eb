"""A version line, a line of JSON, and a line with its signature: what a workstation keeps for itself.

Text, so that after a stock `age` has opened such a file, a person with `head` and `jq` can read it.
"""

from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from crypto.base64_text import from_base64, to_base64
from crypto.errors import ForgedError, MalformedError
from crypto.framing import frame

_LINES = 3


def write_signed_lines(version: bytes, body: bytes, seed: bytes) -> bytes:
    """Sign a body, one line, with an Ed25519 seed. The version line is signed as well."""
    signature = SigningKey(seed).sign(frame(version, body)).signature
    return b"".join(line + b"\n" for line in (version, body, to_base64(signature).encode("ascii")))


def read_signed_lines(version: bytes, raw: bytes) -> tuple[bytes, bytes]:
    """Return body and signature of what `write` writes. Nothing is verified yet.

    Raises:
        MalformedError: another version, or not three lines.
    """
    lines = raw.split(b"\n")
    if len(lines) != _LINES + 1 or lines[0] != version or lines[-1]:
        raise MalformedError
    try:
        signature = from_base64(lines[2].decode("ascii"))
    except UnicodeDecodeError as why:
        raise MalformedError from why
    return lines[1], signature


def check_signed_lines(version: bytes, body: bytes, signature: bytes, verify_key: bytes) -> None:
    """Check who wrote a body.

    Raises:
        ForgedError: somebody else, or it was changed.
    """
    try:
        VerifyKey(verify_key).verify(frame(version, body), signature)
    except (BadSignatureError, ValueError) as why:
        raise ForgedError from why
