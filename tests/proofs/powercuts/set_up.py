"""Scenarios of set-up: a new desk and server, a new OpenPGP key and pairing, and a migration of the store."""

import functools
import shutil
import sqlite3
import tomllib
from contextlib import closing, suppress
from pathlib import Path

from deploy.backup.backup_folder import STORE_FILE, UNFINISHED, file_digest, read_manifest
from deploy.backup.before_upgrade import folder_before_upgrade
from deploy.desk_for_command import open_desk_for_command
from deploy.onion import clients
from deploy.onion.folders import read_service_key, write_service_key
from deploy.onion.onion_keys import OnionKey
from deploy.pinned_letterhead import open_letterhead
from deploy.settings.load_settings import load_config
from deploy.settings.settings_text import from_example
from deploy.setup import set_up
from deploy.upgrading.upgrade_machine import upgrade_machine
from journalist_app.config import AdviserConfig
from protocol.keyring import open_keyring
from source_app.config import SourceConfig
from store.database import engine
from tests.deploy.two_machines import PASSPHRASE, Machine, a_desk
from tests.next_version import NEXT, add_migration, store_code_of_next_version
from tests.proofs.powercuts.one_machine import OneMachine
from tests.proofs.powercuts.scenarios import Scenario
from tests.proofs.powercuts.statements import state

# Opening a real keyring takes half a second, so each content is opened once.
_open_keyring = functools.cache(open_keyring)


class SettingUp(Scenario):
    """`steunpunt setup` makes a desk, and `steunpunt server setup` makes a server.

    After a power cut, each of them is complete or can be made again. The folders above the desk's folder are
    new too.
    """

    @property
    def settings(self) -> Path:
        return self.disk / "new" / "folder" / "desk" / "config.toml"

    def prepare(self) -> set[str]:
        return set()

    def run(self) -> None:
        state("trying", "desk")
        self._set_up_desk()
        state("kept", "desk")
        config = load_config(self.settings, "adviser", AdviserConfig)
        self.remember("fingerprint", config.fingerprint)
        state("trying", "server")
        self._server().does("server", "setup", config.fingerprint)
        state("kept", "server")

    def _set_up_desk(self) -> bool:
        return set_up(
            self.settings,
            source_bind="127.0.0.7:18080",
            adviser_bind="127.0.0.8:18081",
            show_passphrase=functools.partial(self.remember, "passphrase"),
            say=lambda _: None,
            on_step=lambda _: None,
        )

    def _server(self) -> Machine:
        return Machine(self.disk / "server" / "config.toml", self.remembered("fingerprint"))

    def readable(self) -> set[str]:
        found = set()
        if self.settings.exists():
            adviser = load_config(self.settings, "adviser", AdviserConfig)
            keyring = _open_keyring(
                adviser.keyring_path.read_bytes(), self.remembered("passphrase"), adviser.fingerprint
            )
            source = load_config(self.settings, "source", SourceConfig)
            with closing(engine.open_store(source.store_path)) as store:
                letterhead = open_letterhead(store, source.fingerprint, self.memory / "serial")
            assert letterhead.strands[0].verify_key == keyring.strand.verify_key
            found.add("desk")
        else:
            self._set_up_again(tuple(sorted(str(path) for path in self.disk.rglob("*"))))
        with suppress(FileNotFoundError):  # the server has not been begun
            server = self._server()
            found |= {"server"} if server.settings.exists() else set()
            server.does("server", "setup", server.fingerprint)
            server.does("server", "card")
            server.store().close()
        return found

    @functools.cache  # noqa: B019  # a set-up takes two seconds: once for each set of left-over files
    def _set_up_again(self, _left_over: tuple[str, ...]) -> None:
        passphrase = self.remembered("passphrase") if (self.memory / "passphrase").exists() else None
        assert self._set_up_desk()
        self.remember("passphrase", passphrase)


class PairingScenario(Scenario):
    """A desk adds an OpenPGP key to its keyring, and its workstation is paired with a server."""

    def prepare(self) -> set[str]:
        desk = a_desk(self.disk)
        self.remember("fingerprint", desk.keyring.fingerprint)
        return {"server's key"}

    def run(self) -> None:
        first, server = self._machine("first"), self._machine("server")
        state("trying", "key in keyring", "key in letterhead")
        first.does("keys", "make-openpgp")
        state("kept", "key in keyring", "key in letterhead")
        card, pairing = self.memory / "card", self.disk / "first.pairing"
        server.does("server", "card", "--out", card)
        state("trying", "paired", "pairing file")
        first.does("workstation", "pair", card, "--server", "file", "--out", pairing)
        state("kept", "paired", "pairing file")
        self.remember("pairing file", pairing.read_bytes())
        state("trying", "admitted")
        server.does("server", "admit", pairing)
        state("kept", "admitted")

    def _machine(self, name: str) -> Machine:
        return Machine(self.disk / name / "var" / "config.toml", self.remembered("fingerprint"))

    def readable(self) -> set[str]:
        first, server = self._machine("first"), self._machine("server")
        found = set()
        with open_desk_for_command(first.settings, lambda: PASSPHRASE) as desk:
            found |= {"key in keyring"} if desk.keyring.openpgp else set()
            found |= {"key in letterhead"} if desk.letterhead.openpgp_fingerprint else set()
            found |= {"paired"} if desk.config.server == "file" else set()
        pairing = self.disk / "first.pairing"
        if pairing.exists():
            assert pairing.read_bytes() == self.remembered("pairing file")
            found.add("pairing file")
        card = server.does("server", "card")
        if card == self._first_card(card):
            found.add("server's key")
        with suppress(AssertionError):  # the command is refused if the server does not know the workstation
            server.does("pouch", "make", self.memory / "stick")
            found.add("admitted")
        return found

    def _first_card(self, card: str) -> str:
        with suppress(FileNotFoundError):
            return str(self.remembered("text of the card"))
        self.remember("text of the card", card)
        return card


class AdmittingToOnion(Scenario):
    """An onion service gets its key. Workstations are admitted to the service, and one is dismissed."""

    def prepare(self) -> set[str]:
        return set()

    @property
    def service(self) -> Path:
        return self.disk / "onion"

    def run(self) -> None:
        key = OnionKey.draw()
        self.remember("service key", key.files())
        state("trying", "service key")
        write_service_key(self.service, key)
        state("kept", "service key")
        for name in ("desk-1", "desk-2"):
            state("trying", name)
            clients.admit_client(self._clients, name, clients.make_client_key().public)
            state("kept", name)
        state("deleting", "desk-1")
        clients.dismiss_client(self._clients, "desk-1")
        state("gone", "desk-1")
        state("trying", "desk-3")
        clients.admit_client(self._clients, "desk-3", clients.make_client_key().public)
        state("kept", "desk-3")

    @property
    def _clients(self) -> Path:
        return self.service / "authorized_clients"

    def readable(self) -> set[str]:
        found = set(clients.admitted_clients(self._clients)) if self._clients.exists() else set()
        if self.service.exists():
            assert read_service_key(self.service).files() == self.remembered("service key")
            found.add("service key")
        return found


class Upgrading(OneMachine):
    """`steunpunt upgrade` copies a store, changes its tables, and adds a setting.

    If the tables are of the later version, the copy for the way back is complete.
    """

    def prepare(self) -> set[str]:
        super().prepare()
        source = self.system.a_source()
        self.remember("passphrases", [source.browser.passphrase])
        names = {name for number in range(20) for name in self.post(source, *[3_000] * (number % 2))[1]}
        self.system.close()
        shutil.copytree(Path(engine.__file__).parents[1] / "migrations", self.memory / "store" / "migrations")
        add_migration(self.memory / "store")
        text = from_example(("source",), f"RWQ{'A' * 53}", {("source", "store_path"): self.store.name})
        self.settings.write_text(text.replace("workers = 2\n", ""), "utf-8")
        later = ("mailbox 0", *names, "migrated", "copied", "setting")
        return {"mailbox 0", *names, *(f"later: {name}" for name in later)}

    @property
    def store(self) -> Path:
        return Path(self.remembered("config").store_path)

    @property
    def settings(self) -> Path:
        return self.store.with_name("config.toml")

    def run(self) -> None:
        state("trying", "migrated", "copied", "setting")
        self._upgrade()
        state("kept", "migrated", "copied", "setting")

    def _upgrade(self) -> None:
        with store_code_of_next_version(self.memory / "store"):
            upgrade_machine(self.settings, is_dry_run=False, say=lambda _: None, on_copied=lambda *_: None)

    def readable(self) -> set[str]:
        found = self._readable_now()
        assert "copied" in found or "migrated" not in found
        self._upgrade()  # an upgrade that the power cut stopped can be repeated
        return found | {f"later: {name}" for name in self._readable_now()}

    def _readable_now(self) -> set[str]:
        version = inspected_version(self.store)
        with store_code_of_next_version(self.memory / "store", version):
            found = super().readable()
        found |= {"migrated"} if version == NEXT else set()
        for copy in folder_before_upgrade(self.store).glob("backup-*/store.db"):
            if not copy.parent.name.endswith(UNFINISHED):
                assert read_manifest(copy.parent).digests == {STORE_FILE: file_digest(copy)}
                assert b"workers = 2" not in (copy.parent / "config.toml").read_bytes()
                found.add("copied")
        text = self.settings.read_text("utf-8")
        assert tomllib.loads(text)["source"]["threads"]  # the whole old file, or the whole new one
        return found | ({"setting"} if "workers = 2" in text else set())


def inspected_version(store: Path) -> str:
    with closing(sqlite3.connect(store)) as connection:
        ((version,),) = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    return str(version)
