"""Workstation's part of pairing: read the server's card file, and write a pairing file for the server."""

import re
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import msgspec
from sqlalchemy.orm import Session

from crypto.errors import MalformedError
from deploy.atomic_folder import new_private_folder, refuse_unwritable, write_new
from deploy.desk_for_command import open_desk_for_command
from deploy.errors import DeployError, os_error_as, refused_as
from deploy.hardening import private_folder
from deploy.onion.clients import PRIVATE_ENDING, make_client_key
from deploy.pairing.desk_fingerprint import refuse_wrong_form
from deploy.pinned_letterhead import read_copied_letterhead, refuse_trial
from deploy.ports import refuse_taken_address
from deploy.settings.load_settings import load_config
from deploy.settings.onion_address import is_onion_host
from deploy.settings.settings_text import from_example, with_key, without_sections
from deploy.setup import STORE, write_keyring
from journalist_app.config import BY_FILE, AdviserConfig
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.services.whole_desk import publish_letterhead as publishing
from journalist_app.services.whole_desk.merge_records import RecordMerger
from protocol import letterhead as letterheads_format
from protocol.errors import LetterheadRefusedError
from protocol.keyring import Keyring, StrandSecret
from protocol.letterhead import Letterhead, Strand
from protocol.pouch.pairing_file import CardFile, Pairing, letterhead_digest
from protocol.pouch.pouch_file import SERVER, ServerCard
from store import letterheads, outbox, peers
from store.database.atomic_files import replace_file
from store.database.engine import Store, create_store
from sync.carriers import carrier_of
from web.dates import utc_today
from web.normal_text import is_visible_line, name_form

_WORKSTATION_SECTIONS = ("adviser", "check")
_SERVER_SECTIONS = ("source", "onion", "sync")
ONION = "onion:"
_ONION_FOLDER = "onion-auth"
_ONION_FILE = f"steunpunt-sync{PRIVATE_ENDING}"
_NAME_CHARS = 200

Say = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class PairingRequest:
    """Values that the person at the terminal gave, to pair a workstation with a server.

    `card` has the server's public keys. `out` is the path of the pairing file, or None for the default path.
    `say` prints a sentence.

    Raises:
        DeployError: `server` has a wrong form, or the pairing file cannot be written.
    """

    card: CardFile
    server: str
    out: Path | None
    say: Say

    def __post_init__(self) -> None:
        if self.server.startswith(ONION) and not is_onion_host(self.server.removeprefix(ONION)):
            raise DeployError(
                "There is a typing error in the address after onion. Nothing was changed: copy the address "
                "letter for letter from what steunpunt onion status prints on the server."
            )
        if self.server != BY_FILE:
            try:
                carrier_of(self.server, "")
            except ValueError as why:
                raise DeployError(f'The server must be "file", or {why}. Nothing was changed.') from why
        refuse_unwritable(self.out or Path("pairing"))


def read_card_file(path: Path) -> CardFile:
    """Read a card file, which has a server's public keys and sometimes the desk's signed public statement.

    Raises:
        DeployError: the file cannot be read, or is not a card file.
    """
    damaged = f"{path} is not a card file: make it again on the server, with steunpunt server card --out FILE"
    with os_error_as(f"{path} cannot be read"), refused_as(MalformedError, damaged):
        return CardFile.from_bytes(path.read_bytes())


def pair_workstation(settings: Path, ask_passphrase: Callable[[], str], request: PairingRequest) -> None:
    """Pair this workstation with a server. The workstation has a store already.

    If the process is stopped halfway, the same command completes the pairing.

    Raises:
        DeployError: the workstation was not paired.
        StoreError: the store cannot be used.
    """
    refuse_taken_address(load_config(settings, "adviser", AdviserConfig).bind)
    text = _paired_settings(settings, request.server)
    with open_desk_for_command(settings, ask_passphrase, check_first=_refuse_trial_desk) as desk:
        request.say("Queueing everything for the server, which takes a while when the store is large ...")
        _register_server(desk, request.card.card)
        base = _merge_letterheads(desk, request.card)
        replace_file(settings, [text.encode("utf-8")])
        with desk.store.reading() as session:
            published = _newest(session)
        _write_pairing_file(desk.keyring, published, base, settings.parent, request)


def check_new_workstation(
    settings: Path, fingerprint: str, name: str, request: PairingRequest
) -> tuple[tuple[bytes, bytes], Letterhead]:
    """Check that this machine can become a new workstation. Return the letterhead in the card file.

    A letterhead is the desk's signed public statement. It is returned twice: as a pair of body and signature,
    and as a verified object.

    Raises:
        DeployError: this machine is a workstation already, the card file has no valid letterhead, or the name
            cannot be used.
    """
    if settings.exists():
        raise DeployError(
            f"{settings} exists, so this is a workstation already: to pair it again, leave out --keyring."
        )
    published = request.card.letterhead
    if published is None:
        raise DeployError(
            "There is no letterhead in this card file: pair the desk's first workstation, sync, and make the "
            "card file again on the server."
        )
    refuse_wrong_form(fingerprint)
    newest = _verified(published, fingerprint)
    if any(name_form(strand.name) == name_form(name) for strand in newest.strands):
        raise DeployError("A workstation of the desk has this name already: choose another name.")
    if not (len(name) <= _NAME_CHARS and is_visible_line(name)):
        raise DeployError("The name of a workstation is one line of at most 200 visible characters.")
    return published, newest


def pair_new_workstation(
    settings: Path, keyring: Keyring, name: str, request: PairingRequest, *, retire: bool = False
) -> None:
    """Set up this machine as another workstation of the desk, with its own signing key and an empty store.

    `keyring` is a copy of another workstation's secret keys. With `retire`, that workstation is out of use
    after today.

    Raises:
        DeployError: this machine is a workstation already, or the card file, the name or the keyring cannot
            be used.
        StoreError: the store cannot be made.
    """
    base, newest = check_new_workstation(settings, keyring.fingerprint, name, request)
    if newest.current_epoch[0] not in keyring.epochs:
        raise DeployError("This copy of the keyring is too old: it lacks the key in use. Use a newer copy.")
    today = utc_today()
    secret = StrandSecret.draw(name)
    strands = [
        end_strand(each, until=today) if retire and each.id == keyring.strand.id else each
        for each in newest.strands
    ]
    strands.append(Strand(id=secret.id, name=name, verify_key=secret.verify_key, since=today))
    published = letterheads_format.sign_letterhead(newest.successor(strands=tuple(strands)), keyring.desk_key)
    keyring = keyring.with_strand(secret)
    with new_private_folder(settings) as unfinished:
        with closing(create_store(unfinished / STORE)) as store, store.writing() as session:
            letterheads.add(session, newest.serial, *base)
            peers.add(session, SERVER, str(request.card.card).encode("ascii"))
            peers.set_shared_letterhead(session, SERVER, newest.serial)
            letterheads.add(session, newest.serial + 1, *published)
        write_keyring(unfinished, keyring)
        keys = {("adviser", "server"): request.server}
        text = from_example(_WORKSTATION_SECTIONS, keyring.fingerprint, keys)
        write_new(unfinished / settings.name, text.encode("utf-8"))
        load_config(unfinished / settings.name, "adviser", AdviserConfig)
    _write_pairing_file(keyring, published, letterhead_digest(base[0]), settings.parent, request)


def end_strand(strand: Strand, *, until: date) -> Strand:
    """Return a workstation's entry in the desk's public statement, with `until` as the last day of use.

    The last day is never moved to a later day, and is never before the first day.
    """
    return msgspec.structs.replace(strand, until=max(min(until, strand.until or until), strand.since))


def _paired_settings(settings: Path, server: str) -> str:
    """Return the text of this workstation's settings file, changed for pairing with a server.

    Raises:
        ConfigError: `server` has a wrong form.
    """
    text = without_sections(settings.read_text("utf-8"), _SERVER_SECTIONS)
    text = with_key(text, "adviser", "server", server)
    load_config(settings, "adviser", AdviserConfig, raw=text.encode("utf-8"))
    return text


def _refuse_trial_desk(config: AdviserConfig, store: Store) -> None:
    refuse_trial(read_copied_letterhead(store, config.fingerprint), "it has no server")


def _register_server(desk: OpenDesk, card: ServerCard) -> None:
    """Make a server the peer with which this workstation syncs. `card` has the server's public keys.

    If this store does not know the server's key yet, queue everything in the store for the server.
    """
    written = str(card).encode("ascii")
    with desk.store.writing() as session:
        known = peers.find(session, SERVER)
        if known is None or known.card != written:
            peers.remove_all(session, SERVER)  # the server is the only peer, and its name may be damaged
            peers.add(session, SERVER, written)
            outbox.enqueue_all(session, SERVER)


def _merge_letterheads(desk: OpenDesk, card: CardFile) -> bytes:
    """Merge the server's letterhead with this workstation's letterhead, and publish the result.

    A letterhead is the desk's signed public statement. Return the digest of the server's letterhead, or b""
    if nothing was merged.
    """
    if card.letterhead is None:
        return b""
    theirs = _verified(card.letterhead, desk.keyring.fingerprint)
    if desk.keyring.strand.id in theirs.strand_keys:
        return b""
    merging = RecordMerger(desk.keyring, lambda: desk.letterhead, utc_today)
    with desk.store.writing() as session:
        ours = _newest(session)
        known = peers.find(session, SERVER)
        base = letterheads.find(session, known.letterhead_serial if known else 0)
        # Without a common base, our values win: an old card must not make the desk repeat earlier statements.
        is_newer = base is not None and theirs.serial > base[0]
        common = base[1] if base is not None and is_newer else card.letterhead[0]
        letterheads.add(session, *merging.letterheads(common, ours[0], card.letterhead[0]))
        peers.set_shared_letterhead(session, SERVER, theirs.serial)
        merged = _newest(session)
    publishing.use_letterhead(desk, _verified(merged, desk.keyring.fingerprint))
    return letterhead_digest(card.letterhead[0])


def _newest(session: Session) -> tuple[bytes, bytes]:
    """Return the body and the signature of the newest letterhead (signed public statement) in the store.

    Raises:
        DeployError: the store has no letterhead.
    """
    found = letterheads.latest(session)
    if found is None:
        raise DeployError("The store holds no letterhead.")
    return found[1], found[2]


def _verified(published: tuple[bytes, bytes], fingerprint: str) -> Letterhead:
    other_desk = (
        "The letterhead in this card file is not this desk's. Nothing was changed: compare the fingerprint "
        "with a poster, and fetch the card file again."
    )
    with refused_as(LetterheadRefusedError, other_desk):
        return letterheads_format.verify_letterhead(*published, fingerprint)


# ---- files for the server and for Tor --------------------------------------------------------------


def _write_pairing_file(
    keyring: Keyring, published: tuple[bytes, bytes], base: bytes, folder: Path, request: PairingRequest
) -> None:
    """Write the pairing file, which has the workstation's public keys, and print what to do with the file.

    If the server has an onion service, also write this workstation's key for the onion service.

    Raises:
        DeployError: a file cannot be written.
    """
    public = _make_onion_key(folder, request) if request.server.startswith(ONION) else ""
    pairing = Pairing(
        strand=keyring.strand.id,
        base=base,
        letterhead=published[0],
        signature=published[1],
        onion_client=public,
    )
    out = request.out or Path(f"{_slug(keyring.strand.name)}.pairing")
    with os_error_as(f"{out} cannot be written"):
        replace_file(out, [pairing.to_bytes(keyring.strand.seed)])
        out.chmod(0o644)  # a copy keeps this mode, so the server's user can read it
    request.say(
        f"Bring {out} to the server (it holds no secret), and run there: steunpunt server admit {out.name}"
    )


def _make_onion_key(folder: Path, request: PairingRequest) -> str:
    key = make_client_key()
    line = key.private_line(request.server.removeprefix(ONION))
    private_folder(folder / _ONION_FOLDER)
    path = folder / _ONION_FOLDER / _ONION_FILE
    with os_error_as(f"{path} cannot be written"):
        replace_file(path, [line.encode("ascii")])
    request.say(
        f"This workstation's key to the onion service is in {path}. Let Tor use it. Run as root: "
        f"steunpunt onion use-key {path}"
    )
    return key.public


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "workstation"
