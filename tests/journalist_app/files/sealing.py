"""Encryption as a source does it before sending, with standard tools."""

import subprocess
from collections.abc import Sequence

from crypto import age
from crypto.age import AgeRecipient, armor
from gpg.home import GpgHome
from tests.journalist_app.desk_factories import World


def recipient_of(world: World) -> age.PQRecipient:
    return world.letterhead.current_epoch[1]


def age_file(content: bytes, recipients: Sequence[AgeRecipient]) -> bytes:
    sealed = age.encrypt(content, recipients)
    return sealed.header + sealed.payload


def age_armour(content: bytes, recipients: Sequence[AgeRecipient]) -> str:
    return armor.enarmor(age_file(content, recipients))


def gpg_file(home: GpgHome, fingerprint: str, content: bytes, *options: str) -> bytes:
    """Encrypt with `gpg -e` in the source's home, which has the desk's public key."""
    return subprocess.run(
        ["gpg", "--homedir", home.folder, "--batch", "--trust-model=always", *options,
         "-r", fingerprint, "-e"],
        input=content, capture_output=True, check=True,
    ).stdout  # fmt: skip


def gpg_armour(home: GpgHome, fingerprint: str, content: bytes, *options: str) -> str:
    return gpg_file(home, fingerprint, content, "-a", *options).decode()
