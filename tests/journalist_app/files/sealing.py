"""Encryption as a source does it before sending, with standard tools."""

import base64
import subprocess
import zlib
from collections.abc import Sequence

from crypto import age
from crypto.age import AgeRecipient
from gpg.home import GpgHome
from tests.journalist_app.desk_factories import World


def enarmor(age_file: bytes) -> str:
    """Encode an age file as text, as the program age does with the option --armor."""
    body = base64.b64encode(age_file).decode()
    lines = [body[at : at + 64] for at in range(0, len(body), 64)]
    return "\n".join(("-----BEGIN AGE ENCRYPTED FILE-----", *lines, "-----END AGE ENCRYPTED FILE-----", ""))


def recipient_of(world: World) -> age.PQRecipient:
    return world.letterhead.current_epoch[1]


def age_file(content: bytes, recipients: Sequence[AgeRecipient]) -> bytes:
    sealed = age.encrypt(content, recipients)
    return sealed.header + sealed.payload


def age_armour(content: bytes, recipients: Sequence[AgeRecipient]) -> str:
    return enarmor(age_file(content, recipients))


def gpg_file(home: GpgHome, fingerprint: str, content: bytes, *options: str) -> bytes:
    """Encrypt with `gpg -e` in the source's home, which has the desk's public key."""
    return subprocess.run(
        ["gpg", "--homedir", home.folder, "--batch", "--trust-model=always", *options,
         "-r", fingerprint, "-e"],
        input=content, capture_output=True, check=True,
    ).stdout  # fmt: skip


def gpg_armour(home: GpgHome, fingerprint: str, content: bytes, *options: str) -> str:
    return gpg_file(home, fingerprint, content, "-a", *options).decode()


def openpgp_armour(packets: bytes) -> str:
    lines = base64.encodebytes(packets).decode()
    return f"-----BEGIN PGP MESSAGE-----\n\n{lines}-----END PGP MESSAGE-----\n"


def openpgp_bomb(depth: int = 6, siblings: int = 32) -> bytes:
    """Return OpenPGP packets of less than 1 KB with which gpg would be busy for days, without any output.

    Each packet contains 32 compressed packets, six levels deep. gpg 2.2 skips what is left of the 2,048 bytes
    that it reads at once, so each packet is padded to this size.
    """
    packet = b"\xca\x03PGP"  # a marker, which readers ignore
    for level in range(depth):
        deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
        body = b"\x01" + deflate.compress(packet * siblings) + deflate.flush()
        if level < depth - 1:
            body += bytes(-(len(body) - 1) % 2048)
        packet = b"\xc8\xff" + len(body).to_bytes(4, "big") + body
    return packet
