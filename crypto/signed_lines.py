"""Signed lines: a version line, a line of JSON, and a line with an Ed25519 signature in base64.

A workstation writes its records, keyring and trusted state in this form. It is text, so that a person can
read such a file with `head` and `jq` after a stock `age` has decrypted the file.
"""

from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from crypto.base64_text import from_base64, to_base64
from crypto.errors import ForgedError, MalformedError
from crypto.framing import frame

_LINES = 3


def write_signed_lines(version: bytes, body: bytes, seed: bytes) -> bytes:
    """Sign a body of one line with an Ed25519 seed (32 bytes). The signature covers the version line too."""
    signature = SigningKey(seed).sign(frame(version, body)).signature
    return b"".join(line + b"\n" for line in (version, body, to_base64(signature).encode("ascii")))


def read_signed_lines(version: bytes, raw: bytes) -> tuple[bytes, bytes]:
    """Return body and signature (64 bytes) from what `write_signed_lines` writes. Nothing is verified yet.

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
    """Check the signature of a body with an Ed25519 public key (32 bytes).

    Raises:
        ForgedError: someone else signed the body, or it was changed.
    """
    try:
        VerifyKey(verify_key).verify(frame(version, body), signature)
    except (BadSignatureError, ValueError) as why:
        raise ForgedError from why
