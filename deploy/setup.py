"""Set-up of a new desk, all or nothing: keys, first signed letterhead, empty store and settings file."""

import secrets
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from datetime import date
from pathlib import Path

import msgspec
from msgspec import UNSET

from crypto import passphrase
from crypto.errors import MalformedError
from crypto.minisign import SecretKey
from crypto.passphrase import Argon2Params
from deploy.atomic_folder import new_private_folder, refuse_missing_files, write_new
from deploy.checking.check_results import Level
from deploy.checking.store_checks import check_telephone
from deploy.desk_openpgp_key import new_openpgp_key
from deploy.errors import DeployError, OpenPGPError, refused_as
from deploy.pinned_letterhead import inspect_letterhead, serial_line
from deploy.settings.load_settings import DeskConfig, load_config, sections_in
from deploy.settings.settings_text import EXAMPLE, from_example
from gpg.home import OpenPGPKey
from journalist_app.config import AdviserConfig
from journalist_app.public_holidays import dutch_holidays
from protocol import keyring as keyrings
from protocol import letterhead as desk_letterhead
from protocol.keyring import Keyring, Slot
from protocol.letterhead import Argon2, Epoch, Letterhead, Strand
from protocol.trusted_state import TrustedState, seal_trusted_state
from source_app.config import SourceConfig
from store import letterheads
from store.database.engine import create_store, open_store
from store.errors import StoreError
from web.dates import utc_today
from web.languages import read_language

KEYRING = "keyring.age"
TRUSTED_STATE = "trusted-state.age"
STORE = "store.db"
SERIAL = "letterhead-serial"
ONE_MACHINE = ("desk", "source", "adviser", "onion", "check")
_WITHOUT_OPENPGP = (
    "The desk has no OpenPGP key: advisers cannot pass anything on, and sources cannot encrypt with OpenPGP. "
    "Everything else works. Install gnupg, then run: steunpunt keys make-openpgp"
)


def set_up(  # noqa: PLR0913  # what the person at the terminal chose
    settings: Path,
    *,
    source_bind: str,
    adviser_bind: str,
    is_trial: bool = False,
    first_day: date | None = None,
    fill: Callable[[Path, str], object] = lambda _settings, _passphrase: None,
    show_passphrase: Callable[[str], None],
    say: Callable[[str], object],
    on_step: Callable[[str], object],
) -> bool:
    """Make a new desk in the folder of `settings`, and return True. If there is a desk already, return False.

    If `is_trial` is True, the desk's name has the word for "trial". `first_day` is the desk's first day, or
    None for today. `fill` adds content. It receives the settings file in a temporary folder, and the
    passphrase.

    Raises:
        DeployError: another set-up is running, or the folder contains other files.
        ConfigError: the example settings have faults.
        StoreError: the store cannot be made.
    """
    if settings.exists():
        return False
    binds = {
        ("source", "bind"): source_bind,
        ("source", "origin"): f"http://{source_bind}",
        ("adviser", "bind"): adviser_bind,
    }
    desk = load_config(EXAMPLE, "desk", DeskConfig)
    example = from_example(ONE_MACHINE, load_config(EXAMPLE, "source", SourceConfig).fingerprint, binds)
    for section, shape in (("source", SourceConfig), ("adviser", AdviserConfig)):
        load_config(settings, section, shape, raw=example.encode("utf-8"))
    with new_private_folder(settings) as unfinished:
        if is_trial:
            named = {code: f"{read_language(code).trial}: {name}" for code, name in desk.name.items()}
            desk = replace(desk, name=named)
        phrase = passphrase.generate_passphrase(passphrase.DUTCH)
        on_step("Making the desk's keys")
        today = first_day or utc_today()
        keyring = keyrings.create_keyring(
            desk.workstation_name, [Slot.for_passphrase(phrase, holder=desk.workstation_name, since=today)]
        )
        try:
            key = new_openpgp_key(next(iter(desk.name.values())), today)
            keyring = replace(keyring, openpgp=key.secret)
        except OpenPGPError as why:
            key = None
            say(f"{why} {_WITHOUT_OPENPGP}")
        write_keyring(unfinished, keyring)
        on_step("Making the store")
        letterhead = first_letterhead(keyring, desk, today, key)
        if is_trial:
            letterhead = msgspec.structs.replace(letterhead, site_salt=desk_letterhead.TRIAL_SALT)
        elif (telephone := check_telephone(letterhead)).level is not Level.OK:
            say(telephone.line)
        _make_store(unfinished / STORE, letterhead, keyring.desk_key)
        # A missing file then shows that it was lost, and that an older store could come unnoticed.
        write_new(unfinished / SERIAL, serial_line(letterhead))
        text = from_example(ONE_MACHINE, keyring.fingerprint, binds)
        write_new(unfinished / settings.name, text.encode("utf-8"))
        fill(unfinished / settings.name, phrase)
        show_passphrase(phrase)
    return True


def is_trial_desk(settings: Path) -> bool:
    """Return True if this machine is a trial desk. If its store cannot be read, return False."""
    with suppress(DeployError, StoreError):
        config = load_config(settings, "source", SourceConfig)
        with closing(open_store(config.store_path)) as store:
            return inspect_letterhead(store, config.fingerprint, config.letterhead_serial_path).is_trial
    return False


def write_keyring(folder: Path, keyring: Keyring) -> None:
    """Write the keyring of a new workstation, and an empty trusted state.

    So if the file of the trusted state is missing later, someone removed that file.
    """
    write_new(folder / KEYRING, keyrings.seal_keyring(keyring))
    write_new(folder / TRUSTED_STATE, seal_trusted_state(TrustedState(), keyring))


def refuse_another_machine(settings: Path) -> None:
    """Check that this machine has all files of a desk that runs on one machine.

    Raises:
        DeployError: the machine is a server or a paired workstation, or a file is missing.
    """
    if not {"source", "adviser"} <= sections_in(settings):
        raise DeployError(
            f"{settings} exists, and this machine is not a desk on one machine but a server or a workstation "
            "of a desk. Nothing was changed."
        )
    config = load_config(settings, "adviser", AdviserConfig)
    refuse_missing_files(config.keyring_path, config.store_path)


def first_letterhead(
    keyring: Keyring, desk: DeskConfig, today: date, openpgp: OpenPGPKey | None = None
) -> Letterhead:
    """Return the first letterhead of a new desk: its public statement, with keys, calendar and promises."""
    cost = Argon2Params()
    strand = keyring.strand
    return Letterhead(
        version=desk_letterhead.VERSION,
        serial=1,
        issued=today,
        desk_name=desk.name,
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
        talk=desk.talk,
        secrecy_limits=desk.secrecy_limits,
    )


def _closed_days(desk: DeskConfig, today: date) -> tuple[date, ...]:
    """Return the closed days in the settings, and the public holidays until the end of next year.

    Holidays before today are left out.
    """
    ahead = {day for day in dutch_holidays((today.year, today.year + 1)) if day >= today}
    return tuple(sorted(ahead.union(desk.closed_days)))


def _make_store(path: Path, first: Letterhead, desk_key: SecretKey) -> None:
    with refused_as(MalformedError, f"{EXAMPLE}: [desk] makes a letterhead that no server would accept."):
        body, signature = desk_letterhead.sign_letterhead(first, desk_key)
    with closing(create_store(path)) as store, store.writing() as session:
        letterheads.add(session, 1, body, signature)
