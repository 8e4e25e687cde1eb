"""Search of the memory of other processes for secrets, in every form that a program might keep them in."""

import hashlib
import os
from array import array
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from mmap import PAGESIZE
from pathlib import Path

from crypto.kdf import hkdf
from crypto.passphrase import Argon2Params, derive_root_key
from protocol.mailbox_keys import derive_mailbox_keys

_SEPARATORS = (" ", "+", "%20", "%2B", "-", "_", "", "\n", "\r\n", ",", "\0")


def secrets_of(passphrase: str, site_salt: bytes, params: Argon2Params) -> Mapping[str, bytes]:
    """Return the passphrase of a mailbox and everything secret that follows from it, by name.

    The keys are derived with the functions of the program. The parts of the private keys are those into which
    the standards expand a seed: FIPS 203 (ML-KEM), RFC 7748 (X25519) and RFC 8032 (Ed25519).
    """
    root = derive_root_key(passphrase, site_salt, params)
    keys = derive_mailbox_keys(root)
    identity_seed, signing_seed = keys.identity.to_bytes(), bytes(keys.signing_key)
    assert identity_seed == hkdf(root, info=b"steunpunt/v1/identity")
    expanded = hashlib.shake_256(identity_seed).digest(96)
    scalar, prefix = (hashlib.sha512(signing_seed).digest()[start : start + 32] for start in (0, 32))
    binary = {
        "root key": root,
        "seed of the identity": identity_seed,
        "seed of the signing key": signing_seed,
        "ML-KEM seed d": expanded[:32],
        "ML-KEM seed z": expanded[32:64],
        "X25519 key": expanded[64:],
        "X25519 key, clamped": _clamped(expanded[64:]),
        "Ed25519 scalar": scalar,
        "Ed25519 scalar, clamped": _clamped(scalar),
        "Ed25519 prefix": prefix,
    }
    return {**spellings("passphrase", passphrase), **_with_hex(binary)}


def spellings(name: str, words: str) -> Mapping[str, bytes]:
    """Return words in the spellings in which a form or a program may contain them, by name."""
    joined = {f"{name} {separator!r}": separator.join(words.split()) for separator in _SEPARATORS}
    encoded = {each: text.encode() for each, text in joined.items()}
    wide = {f"{name} {form}": words.encode(form) for form in ("utf-16-le", "utf-32-le")}
    return {**encoded, **wide, **_with_hex({f"{name}, bytes": words.encode()})}


def found_in(pids: Sequence[int], wanted: Mapping[str, bytes]) -> dict[str, int]:
    """Return how often each wanted byte string is in the memory of these processes, if it is there at all."""
    found: dict[str, int] = {}
    for pid in pids:
        for memory in _mappings(pid):
            for name, needle in wanted.items():
                times = memory.count(needle)
                if times:
                    found[name] = found.get(name, 0) + times
    return found


def _mappings(pid: int) -> Iterator[bytes]:
    """Yield everything that a process has written or can write: heap, stacks, libraries, shared memory."""
    with (
        Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory,
        Path(f"/proc/{pid}/pagemap").open("rb", buffering=0) as pagemap,
    ):
        for line in Path(f"/proc/{pid}/maps").read_text("utf-8").splitlines():
            places, rights, *_ = line.split()
            if rights.startswith("rw"):
                first, end = (int(place, 16) // PAGESIZE for place in places.split("-"))
                for start, pages in _used(pagemap.fileno(), first, end):
                    yield _read(memory.fileno(), start * PAGESIZE, pages * PAGESIZE)


def _used(pagemap: int, first: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the runs of pages that are in memory or in swap: number of the first page, and number of pages.

    Most of the stack of a thread was never used. Source: proc(5), /proc/pid/pagemap.
    """
    flags = array("Q", os.pread(pagemap, (end - first) * 8, first * 8))
    start = first
    for is_used, run in groupby(flags, lambda flag: bool(flag >> 62)):
        pages = len(list(run))
        if is_used:
            yield start, pages
        start += pages


def _read(memory: int, start: int, size: int) -> bytes:
    try:
        return os.pread(memory, size, start)
    except OSError:  # the process freed these pages in the meantime
        return b""


def _clamped(scalar: bytes) -> bytes:
    return bytes([scalar[0] & 248, *scalar[1:31], scalar[31] & 127 | 64])


def _with_hex(binary: Mapping[str, bytes]) -> Mapping[str, bytes]:
    return {**binary, **{f"{name}, hexadecimal": each.hex().encode() for name, each in binary.items()}}
