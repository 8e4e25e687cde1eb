"""OpenPGP by the real GnuPG, through python-gnupg. Nothing else in the house talks to gpg.

gpg gets a home of its own in memory, under a name nobody can guess, and never sees the user's. Secret keys
and plaintext reach it through pipes alone: they are in no argument, no environment and no file on a disk. A
small shell, the keeper, waits on a pipe from this process. However this process ends, the pipe closes, and
the keeper ends the agent, overwrites what lies in the home and removes it.
"""

import contextlib
import fcntl
import logging
import os
import queue
import secrets
import shutil
import stat
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import gnupg

from crypto.errors import MalformedError, UnreadableError
from gpg.errors import (
    OpenPGPFailedError,
    OpenPGPMissingError,
    OpenPGPPlaceError,
    RecipientRefusal,
    RecipientRefusedError,
)

KEY_BYTES_MAX: Final = 1024 * 1024  # a key file; one with a few hundred signatures by others takes 200 KiB
_VERSION_MIN: Final = (2, 2)
_WEAK_BITS: Final = 2048
_FACTORED: Final = frozenset({"1", "2", "3", "16", "17", "20"})  # RFC 4880, 9.1: RSA, ElGamal, DSA
_PIECE_BYTES: Final = 64 * 1024
_PIECES_AHEAD: Final = 8  # so much output waits in memory at most
_CLOSE_SECONDS: Final = 10
_SOCKET_PATH_MAX: Final = 107  # bytes; Linux, unix(7)
_LONGEST_SOCKET: Final = "S.gpg-agent.browser"
_STATUSES_MAX: Final = 1000  # a message with a million signatures would fill our memory with their statuses

_KEEPER: Final = """
trap '' HUP INT TERM
cat >/dev/null
agent=$(gpg-connect-agent --homedir "$1" --no-autostart 'getinfo pid' /bye 2>/dev/null | sed -n 's/^D //p')
gpgconf --homedir "$1" --kill all 2>/dev/null
[ -z "$agent" ] || kill -KILL "$agent" 2>/dev/null
gpgconf --homedir "$1" --remove-socketdir 2>/dev/null
find "$1" -type f -exec shred --iterations=0 --zero {} + 2>/dev/null
rm -rf "$1"
"""

# gpg's own texts go nowhere, so that nothing a stranger wrote into a message can pose as a status line.
_OPTIONS: Final = (
    "--no-options",
    "--no-auto-key-locate",
    "--no-auto-key-retrieve",
    "--disable-dirmngr",
    "--no-random-seed-file",
    "--display-charset=utf-8",
    "--pinentry-mode=error",
    "--logger-file=/dev/null",
)
# The keys are in before anything is sealed or opened: then gpg needs no lock, and writes to no file at all.
_UNLOCKED: Final = "--lock-never"
# The trust model is `always` because trust is not gpg's to decide: keys are pinned by fingerprint in the
# settings, and only a pinned one is ever named. (Not for importing: without a trust database that fails.)
# Every OpenPGP program since 2000 knows AES and since 2010 SHA-512; a key's own wishes could ask for 3DES.
_SEALING: Final = (
    _UNLOCKED,
    "--trust-model=always",
    "--cipher-algo=AES256",
    "--digest-algo=SHA512",
    "--compress-algo=none",
    "--set-filename",
    "",
    "--ignore-time-conflict",
    "--ignore-valid-from",
)


@dataclass(frozen=True, slots=True)
class OpenPGPKey:
    """A fresh key: fingerprint (40 hexadecimal digits), secret and public half in ASCII armour."""

    fingerprint: str
    secret: str = field(repr=False)
    public: str


@dataclass(frozen=True, slots=True)
class DecryptedMessage:
    """What was in a message. `signer` is the primary fingerprint of a key in this home that signed it.

    `is_signed` without a signer: signed by somebody whose key is not here, so the signature says nothing.
    """

    content: bytes = field(repr=False)
    is_signed: bool
    signer: str | None


class GpgHome:
    """gpg with a home of its own, until `close`. Safe for threads, once the keys are in."""

    def __init__(self, folder: Path, program: str, held: int, keeper: subprocess.Popen[bytes]) -> None:
        self.folder: Final = folder
        self._program = program
        self._held = held
        self._keeper = keeper
        self._closing = threading.Lock()

    @classmethod
    def open(cls, parent: Path, *, program: str = "gpg") -> Self:
        """Make a home in `parent`, a folder in memory; homes that nobody holds any more go.

        Raises:
            OpenPGPMissingError: no GnuPG 2.2 or newer.
            OpenPGPPlaceError: `parent` is not ours alone, or its path is too long for a socket.
        """
        logging.getLogger("gnupg").disabled = True  # at the level DEBUG python-gnupg logs keys
        if not all(map(shutil.which, (program, "gpgconf", "gpg-connect-agent", "shred"))):
            raise OpenPGPMissingError
        name = secrets.token_hex(8)
        if len(os.fsencode(parent / name / _LONGEST_SOCKET)) > _SOCKET_PATH_MAX:
            raise OpenPGPPlaceError
        with _alone(parent):
            _remove_left_behind(parent)
            folder = parent / name
            folder.mkdir(0o700)
            held = _lock(folder)
        # A session of its own: Ctrl-C and whoever stops our process group do not reach it.
        keeper = subprocess.Popen(  # noqa: S603  # the script is fixed, the folder ours
            ["/bin/sh", "-c", _KEEPER, "keeper", folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        (folder / "gpg-agent.conf").write_text("disable-scdaemon\n")
        home = cls(folder, program, held, keeper)
        try:
            home._require_recent()
        except OpenPGPMissingError:
            home.close()
            raise
        return home

    def __repr__(self) -> str:
        return "GpgHome()"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the agent, overwrite and remove the home. A second call does nothing."""
        with self._closing:
            if self._keeper.stdin is None or self._keeper.stdin.closed:
                return
            self._keeper.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._keeper.wait(_CLOSE_SECONDS)
            os.close(self._held)

    def make_key(self, name: str, day: date) -> OpenPGPKey:
        """Make an ed25519 key that signs, with a cv25519 subkey that decrypts; it does not expire.

        Which key counts is said by the letterhead, so an expiry would only stop the desk some day. `name` is
        the user id, without an e-mail address. It is dated at the start of `day`.

        Raises:
            MalformedError: the name is empty, or holds what gpg takes for something else.
            OpenPGPFailedError: gpg did not make it.
        """
        if not name.strip() or not name.isprintable() or set(name) & set("<>()"):
            raise MalformedError
        created = datetime.combine(day, time(), UTC).strftime("%Y%m%dT%H%M%S")
        asked = (
            "%no-protection\nKey-Type: EDDSA\nKey-Curve: ed25519\nKey-Usage: sign\n"
            "Subkey-Type: ECDH\nSubkey-Curve: cv25519\nSubkey-Usage: encrypt\n"
            f"Name-Real: {name.strip()}\nExpire-Date: 0\nCreation-Date: {created}\n%commit\n"
        )
        gpg = self._gpg("--allow-freeform-uid")
        fingerprint = str(gpg.gen_key(asked).fingerprint)
        secret = gpg.export_keys(fingerprint, secret=True, expect_passphrase=False)
        public = gpg.export_keys(fingerprint)
        if not (fingerprint and secret and public):
            raise OpenPGPFailedError
        return OpenPGPKey(fingerprint, secret, public)

    def import_secret(self, armoured: str) -> str:
        """Take a secret key in; return its primary fingerprint.

        Raises:
            MalformedError: it is not exactly one secret key with a user id.
        """
        found = self._scan(armoured.encode())
        is_one = [key["type"] for key in found] == ["sec"]
        if not is_one or not self._gpg().import_keys(armoured).fingerprints:
            raise MalformedError
        return str(found[0]["fingerprint"])

    def public(self, fingerprint: str) -> str:
        """Return the public half of a key in this home, in ASCII armour; empty when it is not here."""
        return str(self._gpg().export_keys(fingerprint))

    def import_public(self, raw: bytes, fingerprint: str) -> None:
        """Take in a recipient's key, if it is the one with this primary fingerprint and comes alone.

        It may be expired or revoked: `usable` tells that, each time anew.

        Raises:
            RecipientRefusedError: UNREADABLE, SEVERAL or OTHER_KEY.
        """
        found = self._scan(raw) if len(raw) <= KEY_BYTES_MAX else []
        if not found or any(key["type"] != "pub" for key in found):
            raise RecipientRefusedError(RecipientRefusal.UNREADABLE)
        if len(found) > 1:
            raise RecipientRefusedError(RecipientRefusal.SEVERAL)
        if found[0]["fingerprint"] != fingerprint:
            raise RecipientRefusedError(RecipientRefusal.OTHER_KEY)
        self._gpg().import_keys(raw)
        if self._listed(fingerprint) is None:  # no user id that the key itself signed: gpg left it out
            raise RecipientRefusedError(RecipientRefusal.UNREADABLE)

    def usable(self, fingerprint: str, today: date) -> str:
        """Return the fingerprint of the newest subkey that may be encrypted to, for a primary fingerprint.

        Raises:
            RecipientRefusedError: UNKNOWN, REVOKED, EXPIRED, NO_ENCRYPTION or WEAK.
        """
        key = self._listed(fingerprint)
        if key is None:
            raise RecipientRefusedError(RecipientRefusal.UNKNOWN)
        _require_valid(key, today)
        info = key.get("subkey_info", {})
        parts = [({**info[keyid], "fingerprint": print_}) for keyid, _, print_, *_ in key["subkeys"]]
        able = [part for part in (*parts, key) if "e" in part["cap"]]
        if not able:
            raise RecipientRefusedError(RecipientRefusal.NO_ENCRYPTION)
        refused: list[RecipientRefusedError] = []
        for part in sorted(able, key=lambda part: (part is not key, int(part["date"])), reverse=True):
            try:
                _require_valid(part, today)
            except RecipientRefusedError as why:
                refused.append(why)
            else:
                _require_strong(key)
                _require_strong(part)
                return str(part["fingerprint"])
        raise refused[0]

    def seal_and_sign(
        self, pieces: Iterable[bytes], *, recipient: str, signer: str, day: date
    ) -> Iterator[bytes]:
        """Encrypt to one primary fingerprint and sign with another; pieces in, pieces out, memory flat.

        Everything is dated at the start of `day`. The last piece is held back until gpg says that all went
        well; what `pieces` raises ends gpg before it could finish, and comes out of the iterator.

        Raises:
            RecipientRefusedError: at once, before anything is read.
            OpenPGPFailedError: from the iterator.
        """
        subkey = self.usable(recipient, day)
        midnight = int(datetime.combine(day, time(), UTC).timestamp())
        gpg = self._gpg(*_SEALING, f"--faked-system-time={midnight}!")

        def seal(feed: "_Feed") -> None:
            # "!": this very subkey, whatever gpg would choose.
            gpg.encrypt_file(feed, [f"{subkey}!"], sign=f"{signer}!", armor=False)

        return self._sealed(gpg, seal, pieces, signer)

    def _sealed(
        self, gpg: "_GPG", seal: Callable[["_Feed"], None], pieces: Iterable[bytes], signer: str
    ) -> Iterator[bytes]:
        statuses: list[_Status] = []
        for piece in _stream(gpg, seal, pieces, statuses):
            if not piece and not _was_sealed(statuses, signer):  # an empty one comes before the last
                raise OpenPGPFailedError
            yield piece

    def decrypt_stream(self, pieces: Iterable[bytes], *, at_most: int) -> Iterator[bytes]:
        """Decrypt a message, binary or armoured; yield its content, the last piece once all is known sound.

        Raises:
            UnreadableError: from the iterator: not for a key in this home, changed, cut off, not encrypted at
                all, more than one message, or more than `at_most` bytes come out of it.
        """
        return self._decrypt(pieces, at_most, [])

    def decrypt(self, raw: bytes, *, at_most: int) -> DecryptedMessage:
        """Decrypt a whole message of which at most `at_most` bytes come.

        Raises:
            UnreadableError: as `decrypt_stream`.
        """
        statuses: list[_Status] = []
        content = b"".join(self._decrypt([raw], at_most, statuses))
        keys = [key for key, _ in statuses]
        signers = [value.split()[-1] for key, value in statuses if key == "VALIDSIG"]
        is_good = (
            keys.count("NEWSIG") == keys.count("GOODSIG") == len(signers) == 1
        )  # not expired, not revoked
        return DecryptedMessage(content, "NEWSIG" in keys, signers[0] if is_good else None)

    @contextlib.contextmanager
    def room(self) -> Iterator[Path]:
        """Give an empty folder in memory, for this user alone, that is gone afterwards with all in it."""
        folder = self.folder / f"room-{secrets.token_hex(8)}"
        folder.mkdir(0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _decrypt(self, pieces: Iterable[bytes], at_most: int, statuses: "list[_Status]") -> Iterator[bytes]:
        gpg = self._gpg(_UNLOCKED)
        come = 0
        for piece in _stream(gpg, gpg.decrypt_file, pieces, statuses):
            come += len(piece)
            if come > at_most or (not piece and not _was_opened(statuses)):  # an empty one before the last
                raise UnreadableError
            yield piece

    def _gpg(self, *options: str) -> "_GPG":
        return _GPG(self._program, self.folder, [*_OPTIONS, *options])

    def _require_recent(self) -> None:
        try:
            version = self._gpg().version
        except (OSError, ValueError) as why:
            raise OpenPGPMissingError from why
        if tuple(version or ()) < _VERSION_MIN:
            raise OpenPGPMissingError

    def _scan(self, raw: bytes) -> list[dict[str, Any]]:
        return list(self._gpg().scan_keys_mem(raw))

    def _listed(self, fingerprint: str) -> dict[str, Any] | None:
        listed = self._gpg().list_keys()
        return next((key for key in listed if key["fingerprint"] == fingerprint), None)


_Status = tuple[str, str]  # keyword and value of a line that gpg writes for programs


class _GPG(gnupg.GPG):  # type: ignore[misc]  # has no types
    """python-gnupg as this house wants it: an environment of its own, larger pieces, and a way to stop it."""

    def __init__(self, program: str, home: Path, options: Sequence[str]) -> None:
        self.is_started = threading.Event()
        self._end: Callable[[], None] = self.is_started.clear  # nothing to end yet
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}
        super().__init__(gpgbinary=program, gnupghome=str(home), options=list(options), env=environment)
        self.encoding = "utf-8"
        self.buffer_size = _PIECE_BYTES
        self.is_started.clear()  # the constructor asked for the version

    def stop(self) -> None:
        """End the program once it runs; what it wrote so far is worth nothing."""
        self.is_started.wait()
        self._end()

    def _open_subprocess(self, args: list[str], passphrase: bool = False) -> "subprocess.Popen[bytes]":  # noqa: FBT001, FBT002  # its shape
        process: subprocess.Popen[bytes] = super()._open_subprocess(args, passphrase)
        self._end = process.kill
        self.is_started.set()
        return process


class _Heard:
    """What gpg says about one message, in order: a stand-in for python-gnupg's result."""

    def __init__(self, statuses: list[_Status]) -> None:
        self.statuses = statuses
        self.data = b""
        self.stderr = ""
        self.returncode: int | None = None

    def handle_status(self, key: str, value: str) -> None:
        if len(self.statuses) < _STATUSES_MAX:
            self.statuses.append((key, value))


class _Feed:
    """Pieces as a file that python-gnupg reads from. What the pieces raise ends gpg, not its message."""

    def __init__(self, pieces: Iterable[bytes], stop: Callable[[], None]) -> None:
        self.why: BaseException | None = None
        self._pieces = iter(pieces)
        self._held = bytearray()
        self._stop = stop

    def read(self, size: int) -> bytes:
        try:
            while len(self._held) < size:
                self._held += next(self._pieces)
        except StopIteration:
            pass
        except BaseException as why:  # noqa: BLE001  # handed on to whoever reads
            self.why = why
            self._stop()
            return b""
        piece = bytes(self._held[:size])
        del self._held[:size]
        return piece


def _stream(
    gpg: _GPG, work: Callable[[_Feed], object], pieces: Iterable[bytes], statuses: list[_Status]
) -> Iterator[bytes]:
    """Run gpg in a thread and yield what it writes, as it writes it.

    Before the last piece comes an empty one: by then gpg has ended, `statuses` holds all it said, and whoever
    iterates decides whether to go on. Raises what `pieces` raised.
    """
    written: queue.Queue[bytes | None] = queue.Queue(_PIECES_AHEAD)

    def keep(piece: bytes) -> bool:
        if piece:
            written.put(piece)
        return False  # python-gnupg need not keep it as well

    def run() -> None:
        # Whatever fails here (a broken pipe, when gpg ends before it has read everything): gpg has then not
        # said that all went well, and that is what counts.
        with contextlib.suppress(Exception):
            work(feed)
        gpg.is_started.set()
        written.put(None)

    gpg.result_map = {**gpg.result_map, "crypt": lambda _gpg: _Heard(statuses)}
    gpg.on_data = keep
    feed = _Feed(pieces, gpg.stop)
    runner = threading.Thread(target=run, name="gpg", daemon=True)
    runner.start()
    held = b""
    has_ended = False
    try:
        for piece in iter(written.get, None):
            if held:
                yield held
            held = piece
        has_ended = True
        if feed.why is not None:
            raise feed.why
        yield b""
        yield held
    finally:
        if not has_ended:
            gpg.stop()
            deque(iter(written.get, None), maxlen=0)
        runner.join()


def _was_sealed(statuses: Sequence[_Status], signer: str) -> bool:
    """Tell whether all was encrypted, and signed by this very key: without it gpg takes another."""
    keys = {key for key, _ in statuses}
    signed = [value.endswith(f" {signer}") for key, value in statuses if key == "SIG_CREATED"]
    return signed == [True] and "END_ENCRYPTION" in keys and not keys & {"FAILURE", "INV_RECP", "INV_SGNR"}


def _was_opened(statuses: Sequence[_Status]) -> bool:
    """Tell whether one encrypted message was opened whole, with nothing beside it.

    The exit code does not say: it is 2 as well for a good message that a stranger signed.
    """
    keys = [key for key, _ in statuses]
    is_alone = not any(key == "ERROR" and value.startswith("proc_pkt") for key, value in statuses)
    is_one = keys.count("DECRYPTION_OKAY") == keys.count("PLAINTEXT") == 1
    return is_one and is_alone and "DECRYPTION_FAILED" not in keys


def _require_valid(part: Mapping[str, Any], today: date) -> None:
    """Refuse a key or subkey that gpg holds for revoked, or that is past its day on `today`.

    Raises:
        RecipientRefusedError: REVOKED or EXPIRED.
    """
    if part["trust"] == "r":
        raise RecipientRefusedError(RecipientRefusal.REVOKED)
    if part["expires"] and datetime.fromtimestamp(int(part["expires"]), UTC).date() <= today:
        raise RecipientRefusedError(RecipientRefusal.EXPIRED)


def _require_strong(part: Mapping[str, Any]) -> None:
    if part["algo"] in _FACTORED and int(part["length"]) < _WEAK_BITS:
        raise RecipientRefusedError(RecipientRefusal.WEAK)


@contextlib.contextmanager
def _alone(parent: Path) -> Iterator[None]:
    """Hold the folder that homes are made in, once it is known to be in memory and ours alone.

    Raises:
        OpenPGPPlaceError: it is not.
    """
    try:
        parent.mkdir(0o700, exist_ok=True)
        found = parent.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise OpenPGPPlaceError
        held = _lock(parent)
    except OSError as why:
        raise OpenPGPPlaceError from why
    try:
        yield
    finally:
        os.close(held)


def _lock(folder: Path) -> int:
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    fcntl.flock(held, fcntl.LOCK_EX)
    return held


def _remove_left_behind(parent: Path) -> None:
    """Remove the homes that nobody holds: their process and its keeper were killed both."""
    for folder in parent.iterdir():
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            subprocess.run(  # noqa: S603  # as above
                ["/bin/sh", "-c", _KEEPER, "keeper", folder], stdin=subprocess.DEVNULL, check=False
            )
        finally:
            os.close(held)
