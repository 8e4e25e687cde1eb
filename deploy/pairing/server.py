"""On a server: set it up, show its card, and let workstations in."""

from collections.abc import Callable, Collection
from pathlib import Path

from crypto.errors import ForgedError, MalformedError
from crypto.minisign import PublicKey
from deploy.atomic_folder import new_private_folder, sync_folder, write_new
from deploy.errors import OnionFolderError, SetupError, TwoMachinesError
from deploy.hardening import harden_process
from deploy.onion import clients
from deploy.pairing.server_key import make_server_key, read_server_key
from deploy.pinned_letterhead import accept_letterhead, open_letterhead
from deploy.settings.load_settings import load_config, sections_in
from deploy.settings.onion_settings import OnionConfig
from deploy.settings.settings_text import from_example
from deploy.settings.sync_settings import SyncConfig
from journalist_app.desk.private_files import write_private
from protocol.errors import LetterheadRefusedError
from protocol.identifiers import StrandId
from protocol.letterhead import Letterhead
from protocol.pouch.pairing_file import CardFile, Pairing, letterhead_digest, read_pairing
from store import letterheads, outbox, peers
from store.database.engine import Store, create_store, open_store
from web.dates import utc_today

_SERVER = ("source", "onion", "sync")
_KEY = "server.key"
_STORE = "store.db"

Say = Callable[[str], object]


def set_up_server(settings: Path, fingerprint: str, *, source_bind: str, sync_bind: str) -> bool:
    """Make a server for the desk of a fingerprint, unless there is one; return whether it was made now.

    It has no key of the desk, and starts once `admit` has brought it a letterhead.

    Raises:
        SetupError: something is in the way, or the fingerprint is none.
        StoreError: the store cannot be made.
    """
    if settings.exists():
        return False
    try:
        PublicKey.from_text(fingerprint)
    except MalformedError as why:
        raise SetupError(
            "That is no desk's fingerprint: it is RW and 54 more characters, on its posters."
        ) from why
    with new_private_folder(settings) as unfinished:
        make_server_key(unfinished / _KEY)
        store = create_store(unfinished / _STORE)
        store.checkpoint()
        store.close()
        keys = {
            ("source", "bind"): source_bind,
            ("source", "origin"): f"http://{source_bind}",
            ("sync", "bind"): sync_bind,
        }
        text = from_example(_SERVER, fingerprint, keys)
        write_new(unfinished / settings.name, text.encode("utf-8"))
        load_config(unfinished / settings.name, "sync", SyncConfig)
        sync_folder(unfinished)
    return True


def server_card(settings: Path) -> CardFile:
    """Return the server's card, with its newest letterhead if it has one; its key is made if it has none.

    Raises:
        DeployError: the settings, the key or the letterhead are not as they must be.
        StoreError: the store cannot be read.
    """
    harden_process()
    config = load_config(settings, "sync", SyncConfig)
    make_server_key(config.key_path)
    key = read_server_key(config.key_path)
    store = open_store(config.store_path)
    try:
        _in_use(store, config)
        with store.reading() as session:
            found = letterheads.latest(session)
    finally:
        store.close()
    return CardFile(key.card, None if found is None else found[1:])


def admit_workstation(settings: Path, path: Path, *, say: Say, on_step: Say) -> None:
    """Let in the workstation of a pairing file: publish its letterhead if it is news, and make it a peer.

    Raises:
        DeployError: nothing was changed; one sentence.
        StoreError: the store cannot be used.
    """
    harden_process()
    config = load_config(settings, "sync", SyncConfig)
    pairing, brought = _read(path, config)
    read_server_key(config.key_path)
    store = open_store(config.store_path)
    try:
        in_use = _in_use(store, config)
        publishes = _must_publish(store, pairing, in_use)
        if publishes:
            accept_letterhead(
                pairing.letterhead,
                pairing.signature,
                config.fingerprint,
                config.letterhead_serial_path,
                in_use,
            )
        newest = brought if publishes or in_use is None else in_use
        name = _in_service(newest, pairing)
        on_step("Noting what the workstation is to be told, which takes a while when the store is large ...")
        with store.writing() as session:
            if publishes:
                letterheads.add(session, brought.serial, pairing.letterhead, pairing.signature)
            if peers.find(session, pairing.strand) is None:
                peers.add(session, pairing.strand, b"")
                outbox.enqueue_all(session, pairing.strand)
        open_letterhead(store, config.fingerprint, config.letterhead_serial_path)
    finally:
        store.close()
    say(f"{name} may sync with this server.")
    if pairing.onion_client:
        _let_in_at_the_onion(settings, pairing, say)


def remove_workstation(settings: Path, name: str, *, say: Say) -> None:
    """Forget a workstation, by its name in the letterhead: what it was to be told, and its onion key.

    Raises:
        DeployError: there is no such workstation.
        StoreError: the store cannot be used.
    """
    harden_process()
    config = load_config(settings, "sync", SyncConfig)
    store = open_store(config.store_path)
    try:
        in_use = open_letterhead(store, config.fingerprint, config.letterhead_serial_path)
        # Among all that are named: the sweeper may have forgotten it already, and its key is still there.
        strand = find_workstation(in_use, in_use.strand_keys, name)
        with store.writing() as session:
            peers.remove_peer(session, strand)
    finally:
        store.close()
    say(f"{name} is forgotten here.")
    until = in_use.strand_keys[strand].until
    if until is None:
        say(
            "The letterhead still names it, so it may come again: the desk must retire it (steunpunt retire)."
        )
    elif until >= utc_today():
        say(f"The desk takes it out of use after {until}: until then it may come again, if it finds a way.")
    _shut_out_at_the_onion(settings, strand, say)


def find_workstation(letterhead: Letterhead, known: Collection[bytes], name: str | None) -> StrandId:
    """Return the workstation that this store exchanges pouches with by its name, or the only one.

    Raises:
        TwoMachinesError: there is none of that name, or there are several to choose from.
    """
    names = {strand.id: strand.name for strand in letterhead.strands if strand.id in known}
    found = [strand for strand, called in names.items() if name in {None, called, strand.hex()}]
    if len(found) == 1:
        return StrandId(found[0])
    listed = ", ".join(sorted(f'"{called}" ({strand.hex()})' for strand, called in names.items()))
    raise TwoMachinesError(f"Which workstation? This server knows: {listed or 'none yet'}.")


def _read(path: Path, config: SyncConfig) -> tuple[Pairing, Letterhead]:
    try:
        return read_pairing(path.read_bytes(), config.fingerprint)
    except OSError as why:
        raise TwoMachinesError(f"{path} cannot be read ({type(why).__name__}).") from why
    except MalformedError as why:
        raise TwoMachinesError(f"{path} is no pairing file, or was damaged. Nothing was changed.") from why
    except LetterheadRefusedError as why:
        raise TwoMachinesError(
            f"The letterhead in {path} is not this desk's. Nothing was changed: compare the fingerprint "
            "in the "
            "settings with the desk's poster."
        ) from why
    except ForgedError as why:
        raise TwoMachinesError(
            f"{path} was not made by the workstation that it names. Nothing was changed: tell the desk."
        ) from why


def _in_use(store: Store, config: SyncConfig) -> Letterhead | None:
    """Return the letterhead in the store; None where there was never one."""
    with store.reading() as session:
        is_empty = letterheads.latest(session) is None
    if is_empty and not config.letterhead_serial_path.exists():
        return None
    return open_letterhead(store, config.fingerprint, config.letterhead_serial_path)


def _must_publish(store: Store, pairing: Pairing, in_use: Letterhead | None) -> bool:
    """Say whether the letterhead of a pairing is news here. A workstation that is named syncs its own."""
    if in_use is None:
        return True
    if StrandId(pairing.strand) in in_use.strand_keys:
        return False
    with store.reading() as session:
        newest = letterheads.latest(session)
    if newest is None or pairing.base != letterhead_digest(newest[1]):
        raise TwoMachinesError(
            "The desk published another letterhead since this workstation was paired. Nothing was "
            "changed: make "
            "a new card file here (steunpunt card --out FILE), and run steunpunt pair on the "
            "workstation again."
        )
    return True


def _in_service(letterhead: Letterhead, pairing: Pairing) -> str:
    """Return a workstation's name.

    Raises:
        TwoMachinesError: the desk took it out of use.
    """
    (strand,) = (each for each in letterhead.strands if each.id == pairing.strand)
    if strand.until is not None and strand.until < utc_today():
        raise TwoMachinesError("The desk took this workstation out of use. Nothing was changed.")
    return strand.name


def _onion(settings: Path) -> OnionConfig | None:
    if "onion" not in sections_in(settings):
        return None
    config = load_config(settings, "onion", OnionConfig)
    return config if config.sync_socket else None


def _let_in_at_the_onion(settings: Path, pairing: Pairing, say: Say) -> None:
    onion = _onion(settings)
    if onion is None:
        say(
            "It has a key to an onion service, and none for the door is set here: see sync_socket under "
            "[onion]."
        )
        return
    name = pairing.strand.hex()
    try:
        clients.admit_client(onion.clients_folder, name, pairing.onion_client)
    except OnionFolderError:
        say(
            f"Its key lies where only Tor may write: run as root: steunpunt onion admit {name} "
            f"{pairing.onion_client}"
        )
    else:
        say(f"Its key is where Tor reads it. {onion.heard_of_it('reload')}")


def _shut_out_at_the_onion(settings: Path, strand: StrandId, say: Say) -> None:
    onion = _onion(settings)
    if onion is None:
        return
    try:
        was_there = clients.dismiss_client(onion.clients_folder, strand.hex())
    except OnionFolderError:
        say(f"Its key lies where only Tor may write: run as root: steunpunt onion dismiss {strand.hex()}")
        return
    if was_there:
        say(f"Its key to the onion service is gone. {onion.heard_of_it('restart')}")


def write_card_file(card_file: CardFile, path: Path) -> None:
    """Write a card file.

    Raises:
        TwoMachinesError: it cannot be written.
    """
    try:
        write_private(path, card_file.to_bytes())
    except OSError as why:
        raise TwoMachinesError(f"{path} cannot be written ({type(why).__name__}).") from why
