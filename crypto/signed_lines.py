"""Signed lines: a version line, a line of JSON, and a line with an Ed25519 signature in base64.

A workstation writes its records, keyring and trusted state in this form. The form is text, so that a person
can decrypt such a file with a stock `age` and read it with `head` and `jq`.
"""

from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from crypto.base64_text import from_base64, to_base64
from crypto.errors import ForgedError, MalformedError
from crypto.framing import frame

_LINES = 3


def write_signed_lines(version: bytes, body: bytes, seed: bytes) -> bytes:
    """Sign a one-line body, and return the three signed lines: version, body and signature.

    `seed` is an Ed25519 seed of 32 bytes. The signature covers the version line and the body.
    """
    signature = SigningKey(seed).sign(frame(version, body)).signature
    return b"".join(line + b"\n" for line in (version, body, to_base64(signature).encode("ascii")))


def read_signed_lines(version: bytes, raw: bytes) -> tuple[bytes, bytes]:
    """Split signed lines into the body and its signature (64 bytes). The signature is not checked here.

    Raises:
        MalformedError: the lines have another version, or there are not exactly three lines.
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
    """Check the Ed25519 signature over a version line and its body, with a public key of 32 bytes.

    Raises:
        ForgedError: someone else signed the body, or the body was changed after the signature.
    """
    try:
        VerifyKey(verify_key).verify(frame(version, body), signature)
    except (BadSignatureError, ValueError) as why:
        raise ForgedError from why
