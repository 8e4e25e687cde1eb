"""Keys, messages and fake gpg programs that the tests of gpg share."""

import re
import subprocess
from datetime import date
from pathlib import Path

from gpg.home import GpgHome, OpenPGPKey

TODAY = date(2026, 11, 23)
TEXT = b"what the source agreed to"
MANY = 10**9


def run_gpg(home: GpgHome, *arguments: str, given: bytes = b"") -> bytes:
    """Run gpg in a home as another program would."""
    done = subprocess.run(
        [
            "gpg",
            "--homedir",
            home.folder,
            "--batch",
            "--pinentry-mode=loopback",
            "--passphrase",
            "",
            *arguments,
        ],
        input=given,
        capture_output=True,
        check=True,
    )
    return done.stdout


def signer_of(home: GpgHome, sealed: bytes) -> str | None:
    """Return the primary fingerprint of the key with a valid signature under a message, as gpg reports it."""
    said = run_gpg(
        home, "--trust-model=always", "--status-fd=1", "--output=/dev/null", "--decrypt", given=sealed
    )
    found = re.search(rb"VALIDSIG .* ([0-9A-F]{40})\n", said)
    return found[1].decode() if found else None


def a_key(home: GpgHome, algorithm: str, usage: str, expires: str, *, at: date = TODAY) -> str:
    """Make a key as its owner would, in the owner's home, and return its fingerprint."""
    clock = f"--faked-system-time={at:%Y%m%dT000000}"
    run_gpg(home, clock, "--quick-generate-key", "Somebody", algorithm, usage, expires)
    listed = run_gpg(home, "--with-colons", "--list-keys").decode()
    return re.findall(r"^pub:.*\nfpr:+([0-9A-F]{40}):", listed, re.MULTILINE)[-1]


def the_public(home: GpgHome, fingerprint: str, *options: str) -> bytes:
    return run_gpg(home, *options, "--export", fingerprint)


def encrypted_by(desk: GpgHome, own: OpenPGPKey, recipient: str, text: bytes = TEXT) -> bytes:
    return b"".join(desk.encrypt_and_sign([text], recipient=recipient, signer=own.fingerprint, day=TODAY))


def a_program(folder: Path, script: str) -> str:
    path = folder / "gpg-stand-in"
    path.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")
    path.chmod(0o700)
    return str(path)
