"""Make a desk: fresh keys, a first letterhead, an empty store and the settings, all or nothing."""

import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

from msgspec import UNSET

from crypto import keyring as keyrings
from crypto import letterhead as desk_letterhead
from crypto import passphrase
from crypto.errors import MalformedError
from crypto.keyring import Keyring, Slot
from crypto.letterhead import Argon2, Epoch, Letterhead, Strand
from crypto.minisign import SecretKey
from crypto.openpgp import OpenPGPKey
from crypto.passphrase import Argon2Params
from deploy.config import DeskConfig, load_config
from deploy.errors import OpenPGPError, SetupError
from deploy.hardening import PRIVATE_FOLDER, TMPFS
from deploy.openpgp import fresh_key
from journalist_app.public_holidays import dutch_holidays
from store import letterheads
from store.engine import create_store
from store.errors import StoreError

_EXAMPLE = Path(__file__).parents[1] / "config.example.toml"
_KEYRING = "keyring.age"
_STORE = "store.db"
_WITHOUT_OPENPGP = (
    "The desk is made without an OpenPGP key: everything works but passing on, and sources cannot seal with "
    "OpenPGP. Install gnupg, then run: steunpunt openpgp make"
)


def set_up(
    settings: Path,
    *,
    source_bind: str,
    adviser_bind: str,
    show_passphrase: Callable[[str], None],
    on_step: Callable[[str], None],
) -> bool:
    """Make a desk in the folder of `settings`, unless there is one; return whether it was made now.

    Everything is made in a folder beside it, which gets its name at the very end: killed at any moment, there
    is a whole desk or none. The passphrase is shown before that, so that no desk exists whose passphrase
    nobody was shown. `on_step` is told in a line what comes, for steps of up to a few seconds, and what this
    desk must do without: there is no OpenPGP key where there is no gpg.

    Raises:
        SetupError: something is in the way, or another set-up is at work; one sentence.
        ConfigError: the example settings have faults.
    """
    folder = settings.parent
    if settings.exists():
        return False
    if folder.exists() and any(folder.iterdir()):
        raise SetupError(
            f"{folder} holds files but no {settings.name}: put the settings back, or move the files away."
        )
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    with _alone(folder.parent):
        shutil.rmtree(unfinished, ignore_errors=True)  # of a set-up that was killed: nothing in it counts
        unfinished.mkdir(PRIVATE_FOLDER)
        desk = load_config(_EXAMPLE, "desk", DeskConfig)
        phrase = passphrase.draw("nl")
        on_step("Making the desk's keys ...")
        today = datetime.now(UTC).date()
        keyring = keyrings.create(desk.workstation_name, [Slot.for_passphrase(phrase)])
        try:
            key = fresh_key(desk.name_nl, today)
            keyring = replace(keyring, openpgp=key.secret)
        except OpenPGPError as why:
            key = None
            on_step(f"{why} {_WITHOUT_OPENPGP}")
        _write(unfinished / _KEYRING, keyrings.seal(keyring))
        on_step("Making the store ...")
        _make_store(unfinished / _STORE, first_letterhead(keyring, desk, today, key), keyring.desk_key)
        text = _settings(keyring.fingerprint, source_bind, adviser_bind)
        _write(unfinished / settings.name, text.encode("utf-8"))
        _sync(unfinished)
        show_passphrase(phrase)
        try:
            unfinished.rename(folder)
        except OSError as why:
            raise SetupError(f"{folder} cannot be made ({os.strerror(why.errno or 0)}).") from why
        _sync(folder.parent)
    return True


def first_letterhead(
    keyring: Keyring, desk: DeskConfig, today: date, openpgp: OpenPGPKey | None = None
) -> Letterhead:
    """Say in public what a new desk's keys are and what it promises."""
    cost = Argon2Params()
    strand = keyring.strand
    return Letterhead(
        version=desk_letterhead.VERSION,
        serial=1,
        issued=today,
        desk_name={"nl": desk.name_nl, "en": desk.name_en},
        site_salt=secrets.token_bytes(desk_letterhead.SALT_BYTES),
        argon2=Argon2(t=cost.t, m_kib=cost.m_kib, p=cost.p),
        epochs=tuple(
            Epoch(number=number, recipient=str(identity.recipient), since=today)
            for number, identity in sorted(keyring.epochs.items())
        ),
        strands=(Strand(id=strand.id, name=strand.name, verify_key=strand.verify_key, since=today),),
        openpgp_fingerprint=openpgp.fingerprint if openpgp else None,
        openpgp_key=openpgp.public if openpgp else UNSET,
        retention_days=desk.retention_days,
        abandoned_months=desk.abandoned_months,
        working_days=tuple(sorted(desk.working_days)),
        closed_days=_closed_days(desk, today),
        absences=(),
        answer_working_days=desk.answer_working_days,
        confirm_days=desk.confirm_days,
        substance_months=desk.substance_months,
        talk={"nl": desk.talk_nl, "en": desk.talk_en},
        secrecy_limits={"nl": desk.secrecy_limits_nl, "en": desk.secrecy_limits_en},
    )


def _closed_days(desk: DeskConfig, today: date) -> tuple[date, ...]:
    """Return the days of the settings, and what is to come of this and next year's public holidays."""
    ahead = {day for day in dutch_holidays((today.year, today.year + 1)) if day >= today}
    return tuple(sorted(ahead.union(desk.closed_days)))


def _make_store(path: Path, first: Letterhead, desk_key: SecretKey) -> None:
    try:
        body, signature = desk_letterhead.sign(first, desk_key)
    except MalformedError as why:
        raise SetupError(f"{_EXAMPLE}: [desk] makes no letterhead that a server would accept.") from why
    try:
        store = create_store(path)
        with store.writing() as session:
            letterheads.publish(session, 1, body, signature)
        store.checkpoint()
        store.close()
    except StoreError as why:
        raise SetupError(f"The store could not be made: {why}.") from why


def _settings(fingerprint: str, source_bind: str, adviser_bind: str) -> str:
    """Fill the example in: the pinned fingerprint, the addresses, and a folder in memory of our own."""
    text = _EXAMPLE.read_text("utf-8")
    # A name nobody can guess: under /dev/shm another user could make the folder first and keep us out.
    memory = f"{TMPFS}/steunpunt-{secrets.token_hex(8)}"
    for pattern, filled in (
        (r'(?m)^fingerprint = ".*"$', f'fingerprint = "{fingerprint}"'),
        (r'"/dev/shm/steunpunt/', f'"{memory}/'),
        (r'(?m)^bind = "127\.0\.0\.1:8080"$', f'bind = "{source_bind}"'),
        (r'(?m)^origin = ".*"$', f'origin = "http://{source_bind}"'),
        (r'(?m)^bind = "127\.0\.0\.2:8081"$', f'bind = "{adviser_bind}"'),
    ):
        text = re.sub(pattern, filled, text)
    return text


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder that the desk's folder lies in; the kernel lets go of it if we are killed."""
    folder.mkdir(parents=True, exist_ok=True)
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as why:
        raise SetupError(f"Another set-up is at work in {folder}: wait for it to end.") from why
    finally:
        os.close(held)


def _write(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as sink:
        sink.write(content)
        sink.flush()
        os.fsync(sink.fileno())


def _sync(folder: Path) -> None:
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(held)
    finally:
        os.close(held)
