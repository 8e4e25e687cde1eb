"""Server's part of pairing: set up a server, make its card file, admit and remove workstations."""

from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from pathlib import Path

from crypto.errors import ForgedError, MalformedError
from deploy.atomic_folder import new_private_folder, refuse_missing_files, write_new
from deploy.errors import DeployError, OnionFolderError, os_error_as
from deploy.noted_days import VERIFIED, note_day
from deploy.onion import clients
from deploy.onion.onion_backup import check_recipients
from deploy.pairing.desk_fingerprint import refuse_wrong_form
from deploy.pairing.server_key import make_server_key, read_server_key
from deploy.pinned_letterhead import accept_letterhead, open_letterhead, refuse_trial
from deploy.settings.database_settings import Role, store_place
from deploy.settings.load_settings import load_config, sections_in
from deploy.settings.onion_settings import TOR_LOG, TOR_SOCKETS, OnionConfig
from deploy.settings.settings_text import from_example
from deploy.settings.sync_settings import SyncConfig
from protocol.errors import LetterheadRefusedError
from protocol.identifiers import StrandId
from protocol.letterhead import Letterhead, Strand
from protocol.pouch.pairing_file import CardFile, Pairing, letterhead_digest, read_pairing
from source_app.config import SourceConfig
from store import letterheads, outbox, peers
from store.database.atomic_files import replace_file
from store.database.engine import Store, create_store, open_store
from web.dates import utc_today

_SERVER = ("source", "onion", "sync", "backup", "check")
_KEY = "server.key"
_STORE = "store.db"

Say = Callable[[str], object]


def set_up_server(  # noqa: PLR0913  # one argument for each option
    settings: Path,
    fingerprint: str,
    *,
    source_bind: str,
    sync_bind: str,
    has_onion: bool = False,
    age_recipients: Sequence[str] = (),
) -> bool:
    """Set up this machine as the desk's server, and return True. If this was done before, return False.

    `fingerprint` identifies the desk's public key. With `has_onion`, Tor connects sources and workstations.
    The keys in each backup are encrypted to `age_recipients`.

    Raises:
        DeployError: the fingerprint has a wrong form, or the folder contains other files.
        StoreError: the store cannot be made.
    """
    refuse_wrong_form(fingerprint)
    if settings.exists():
        _refuse_another_machine(settings, fingerprint)
        return False
    keys: dict[tuple[str, str], str | Sequence[str]] = {
        ("source", "bind"): source_bind,
        ("source", "origin"): f"http://{source_bind}",
        ("sync", "bind"): sync_bind,
        ("backup", "age_recipients"): age_recipients,
    }
    if has_onion:
        keys |= {
            ("source", "onion_socket"): f"{TOR_SOCKETS}/source.sock",
            ("sync", "bind"): f"unix:{TOR_SOCKETS}/sync.sock",
            ("onion", "sync_socket"): f"{TOR_SOCKETS}/sync.sock",
            ("check", "log_paths"): [TOR_LOG],
        }
    text = from_example(_SERVER, fingerprint, keys).encode("utf-8")
    load_config(settings, "source", SourceConfig, raw=text)
    load_config(settings, "sync", SyncConfig, raw=text)
    check_recipients(age_recipients)
    with new_private_folder(settings) as unfinished:
        make_server_key(unfinished / _KEY)
        create_store(unfinished / _STORE).close()
        note_day(unfinished / _STORE, VERIFIED, utc_today())  # the new store has nothing to verify
        write_new(unfinished / settings.name, text)
    return True


def _refuse_another_machine(settings: Path, fingerprint: str) -> None:
    """Check that this machine is already the server of this desk, and has all its files.

    Raises:
        DeployError: the machine is not a server, is the server of another desk, or lacks a file.
    """
    if "sync" not in sections_in(settings):
        raise DeployError(
            f"{settings} exists, and this machine is not a server. Nothing was changed: set up the server on "
            "another machine, or in another folder."
        )
    config = load_config(settings, "sync", SyncConfig)
    if config.fingerprint != fingerprint:
        raise DeployError("This machine is the server of another desk. Nothing was changed.")
    place = store_place(settings, config.store_path, Role.SYNC)
    refuse_missing_files(config.key_path, *([place] if isinstance(place, Path) else []))


def server_card(settings: Path) -> CardFile:
    """Return the server's public keys, and the desk's newest signed public statement if there is one.

    If the server has no secret key yet, a new key is made first.

    Raises:
        DeployError: the settings, the key or the signed statement have faults.
        StoreError: the store cannot be read.
    """
    config = load_config(settings, "sync", SyncConfig)
    make_server_key(config.key_path)
    key = read_server_key(config.key_path)
    with closing(open_store(store_place(settings, config.store_path, Role.SYNC))) as store:
        _open_letterhead_if_any(store, config)
        with store.reading() as session:
            newest = letterheads.latest(session)
    return CardFile(key.card, None if newest is None else newest[1:])


def admit_workstation(settings: Path, path: Path, *, say: Say, on_step: Say) -> None:
    """Allow a workstation to sync with this server. `path` is the pairing file of the workstation.

    If the desk's public statement in the file is newer than the server's copy, it replaces the copy.

    Raises:
        DeployError: the pairing file is refused. Nothing was changed.
        StoreError: the store cannot be used.
    """
    config = load_config(settings, "sync", SyncConfig)
    pairing, letterhead = _read_pairing_file(path, config)
    refuse_trial(letterhead, "it has no server")
    read_server_key(config.key_path)
    with closing(open_store(store_place(settings, config.store_path, Role.SYNC))) as store:
        in_use = _open_letterhead_if_any(store, config)
        if is_newer := _is_newer(store, pairing, in_use):
            published = (pairing.letterhead, pairing.signature)
            accept_letterhead(published, config.fingerprint, config.letterhead_serial_path, in_use)
        name = _name_in_service(letterhead if is_newer or in_use is None else in_use, pairing)
        on_step("Queueing everything for the workstation, which takes a while when the store is large")
        with store.writing() as session:
            if is_newer:
                letterheads.add(session, letterhead.serial, pairing.letterhead, pairing.signature)
            known = peers.find(session, pairing.strand)
            if known is None or not known.acknowledged_serial:
                peers.add(session, pairing.strand, b"")
                outbox.enqueue_all(session, pairing.strand)
        open_letterhead(store, config.fingerprint, config.letterhead_serial_path)
    say(f"{name} may sync with this server.")
    if pairing.onion_client:
        _admit_to_onion(settings, pairing, say)


def remove_workstation(settings: Path, name: str, *, say: Say) -> None:
    """Forget a workstation: delete its queue on this server, and its key for the onion service.

    If the desk has not retired the workstation, the server still accepts a sync with it.

    Raises:
        DeployError: there is no such workstation.
        StoreError: the store cannot be used.
    """
    config = load_config(settings, "sync", SyncConfig)
    with closing(open_store(store_place(settings, config.store_path, Role.SYNC))) as store:
        in_use = open_letterhead(store, config.fingerprint, config.letterhead_serial_path)
        # Search the whole letterhead: the sweeper may have forgotten the peer, but not its onion key.
        strand = find_workstation(in_use, in_use.strand_keys, name)
        with store.writing() as session:
            is_known = peers.find(session, strand.id) is not None
            peers.remove_peer(session, strand.id)
    say(f"This server has forgotten {name}." if is_known else f"This server did not know {name} any more.")
    if strand.until is None:
        say(
            "The letterhead still names it, so it may connect again: the desk must retire it (steunpunt "
            "workstation retire)."
        )
    _dismiss_from_onion(settings, strand.id.hex(), say)


def find_workstation(letterhead: Letterhead, known: Collection[bytes], name: str | None) -> Strand:
    """Find a workstation by its name or id in the letterhead, the desk's signed public statement.

    Only workstations with an id in `known` are searched. If there is only one, `name` may be None.

    Raises:
        DeployError: no known workstation fits, or several do.
    """
    strands = [strand for strand in letterhead.strands if strand.id in known]
    matching = [strand for strand in strands if name in {None, strand.name, strand.id.hex()}]
    if len(matching) == 1:
        return matching[0]
    listed = ", ".join(sorted(f'"{strand.name}" ({strand.id.hex()})' for strand in strands))
    raise DeployError(f"Which workstation? This machine knows: {listed or 'none yet'}.")


def _read_pairing_file(path: Path, config: SyncConfig) -> tuple[Pairing, Letterhead]:
    try:
        with os_error_as(f"{path} cannot be read"):
            return read_pairing(path.read_bytes(), config.fingerprint)
    except MalformedError as why:
        raise DeployError(f"{path} is not a pairing file, or it is damaged. Nothing was changed.") from why
    except LetterheadRefusedError as why:
        raise DeployError(
            f"The letterhead in {path} is not this desk's. Nothing was changed: compare the fingerprint in "
            "the settings with the desk's poster."
        ) from why
    except ForgedError as why:
        raise DeployError(
            f"{path} was not made by the workstation that it names. Nothing was changed: tell the desk."
        ) from why


def _open_letterhead_if_any(store: Store, config: SyncConfig) -> Letterhead | None:
    """Verify and return the desk's signed letterhead (public statement) in the store.

    Return None if there never was a letterhead.
    """
    with store.reading() as session:
        is_empty = letterheads.latest(session) is None
    if is_empty and not config.letterhead_serial_path.exists():
        return None
    return open_letterhead(store, config.fingerprint, config.letterhead_serial_path)


def _is_newer(store: Store, pairing: Pairing, in_use: Letterhead | None) -> bool:
    """Return True if the letterhead in a pairing file must replace the server's letterhead.

    A letterhead is the desk's signed public statement. Return False if the server's letterhead already names
    the workstation.

    Raises:
        DeployError: the desk published another letterhead since the pairing.
    """
    if in_use is None:
        return True
    if StrandId(pairing.strand) in in_use.strand_keys:
        return False
    with store.reading() as session:
        newest = letterheads.latest(session)
    if newest is None or pairing.base != letterhead_digest(newest[1]):
        raise DeployError(
            "The desk published another letterhead since this workstation was paired. Nothing was changed: "
            "make a new card file here (steunpunt server card --out FILE), and run steunpunt workstation "
            "pair on the workstation again."
        )
    return True


def _name_in_service(letterhead: Letterhead, pairing: Pairing) -> str:
    """Return the name of the workstation in a pairing file.

    Raises:
        DeployError: the desk took the workstation out of use.
    """
    (strand,) = (each for each in letterhead.strands if each.id == pairing.strand)
    if strand.until is not None and strand.until < utc_today():
        raise DeployError("The desk took this workstation out of use. Nothing was changed.")
    return strand.name


def _sync_onion(settings: Path) -> OnionConfig | None:
    """Return the section [onion] of the settings, or None if there is no onion service for sync."""
    if "onion" not in sections_in(settings):
        return None
    config = load_config(settings, "onion", OnionConfig)
    return config if config.sync_socket else None


def _admit_to_onion(settings: Path, pairing: Pairing, say: Say) -> None:
    if (onion := _sync_onion(settings)) is None:
        say(
            "It has a key to an onion service, but this server has no onion for sync: see sync_socket under "
            "[onion]."
        )
        return
    name = pairing.strand.hex()
    try:
        clients.admit_client(onion.clients_folder, name, pairing.onion_client)
    except OnionFolderError:
        say(
            f"Only Tor's user may write its key. Run as root: steunpunt onion admit {name} "
            f"{pairing.onion_client}"
        )
    else:
        say(f"Its key is where Tor reads it. {onion.how_to_apply('reload')}")


def _dismiss_from_onion(settings: Path, name: str, say: Say) -> None:
    if (onion := _sync_onion(settings)) is None:
        return
    try:
        is_removed = clients.dismiss_client(onion.clients_folder, name)
    except OnionFolderError:
        say(f"Only Tor's user may remove its key. Run as root: steunpunt onion dismiss {name}")
        return
    if is_removed:
        say(f"Its key to the onion service is removed. {onion.how_to_apply('restart')}")


def write_card_file(card_file: CardFile, path: Path) -> None:
    """Write a card file (the server's public keys) in one step, so that no one can read half a file.

    Raises:
        DeployError: the file cannot be written.
    """
    with os_error_as(f"{path} cannot be written"):
        replace_file(path, [card_file.to_bytes()])
        path.chmod(0o644)  # a copy keeps this mode, so the user who needs it can read it
