"""A desk with a server and workstations in separate folders, used through the commands that people type."""

import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import msgspec
from click.testing import CliRunner, Result
from sqlalchemy import text

from crypto.passphrase import Argon2Params
from deploy.atomic_folder import new_private_folder, write_new
from deploy.cli.main import main
from deploy.exit_codes import ExitCode
from deploy.serving.wiped_memory import ENVIRONMENT
from deploy.settings.database_settings import Role, store_place
from deploy.settings.load_settings import DeskConfig, load_config
from deploy.settings.settings_text import EXAMPLE, from_example
from deploy.setup import KEYRING, ONE_MACHINE, STORE, first_letterhead, write_keyring
from protocol import keyring as keyrings
from protocol import letterhead as letterhead_format
from protocol.keyring import Keyring, Slot
from store import letterheads
from store.database.engine import Store, open_store
from tests.journalist_app.desk_factories import ASource, World, a_source
from tests.stores import an_empty_store
from web.dates import utc_today

PASSPHRASE = "zeven woorden die niemand anders ooit raadt"
FIRST = "Werkstation 1"
_CHEAP = Argon2Params(t=1, m_kib=8, p=1)
_BEGAN = date(2020, 1, 1)


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine: its settings, and the commands that a person types on it."""

    settings: Path
    fingerprint: str

    def types(self, *words: str | Path, passphrase: str = PASSPHRASE) -> Result:
        """Run a command as someone types it, with a passphrase if it asks."""
        argv = ["--settings", str(self.settings), *map(str, words)]
        # As if it had been started again to overwrite freed memory: the tests must not be started again.
        done = CliRunner(env=ENVIRONMENT).invoke(main, argv, input=f"{passphrase}\n")
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done

    def does(self, *words: str | Path) -> str:
        """Run a command that must succeed. Return its output."""
        done = self.types(*words)
        assert done.exit_code == 0, done.output
        return done.output

    def is_told(self, *words: str | Path) -> str:
        """Run a command that must fail. Return its sentence."""
        done = self.types(*words)
        assert done.exit_code not in {ExitCode.DONE, ExitCode.MISTYPED}, done.output
        return done.stderr.partition("Error: ")[2].strip()

    def store(self) -> Store:
        return open_store(store_place(self.settings, self.settings.parent / STORE, Role.OWNER))


@dataclass(frozen=True, slots=True)
class TwoMachineDesk:
    """A desk with its keys and a first workstation, which is not paired with a server yet."""

    folder: Path
    keyring: Keyring
    first: Machine
    server: Machine

    def copied(self, folder: Path) -> "TwoMachineDesk":
        """Return a copy of all machines of the desk in another folder."""
        shutil.copytree(self.folder, folder)
        return a_desk_in(folder, self.keyring)

    def machine(self, name: str) -> Machine:
        return Machine(self.folder / name / "var" / "config.toml", self.keyring.fingerprint)

    def pair_first(self, way: str = "file") -> None:
        """Pair the first workstation, and let the server admit it."""
        card = self.card()
        self.first.does("workstation", "pair", card, "--server", way, "--out", self.folder / "first.pairing")
        self.server.does("server", "admit", self.folder / "first.pairing")

    def card(self) -> Path:
        path = self.folder / "card"
        self.server.does("server", "card", "--out", path)
        return path

    def copy_of_keyring(self) -> Path:
        path = self.folder / "copy.age"
        path.unlink(missing_ok=True)
        write_new(path, (self.first.settings.parent / KEYRING).read_bytes())
        return path

    def second(self, way: str = "file", *, admit: bool = True) -> Machine:
        """Set up another workstation of the desk."""
        made = self.machine("second")
        words = ["--keyring", self.copy_of_keyring(), "--name", "Werkstation 2"]
        words += ["--fingerprint", self.keyring.fingerprint, "--out", self.folder / "second.pairing"]
        made.does("workstation", "pair", self.card(), "--server", way, *words)
        if admit:
            self.server.does("server", "admit", self.folder / "second.pairing")
        return made

    def world(self, machine: Machine, keyring: Keyring | None = None) -> World:
        """Return the store and keys that the test factories use: the server's, or those of a workstation."""
        store = machine.store()
        return World(None, keyring or self.keyring, newest(store, self.keyring), store)  # type: ignore[arg-type]  # no settings are read

    def a_source_writes(self, words: str = "hello", file: tuple[str, bytes] | None = None) -> ASource:
        world = self.world(self.server)
        source = a_source(world, day=utc_today())
        source.writes(words, day=utc_today(), file=file)
        world.store.close()
        return source

    def is_answered(self, source: ASource, machine: Machine, words: str = "an answer") -> None:
        world = self.world(machine)
        ASource(world, source.keys).is_answered(words, day=utc_today())
        world.store.close()

    def publishes(self, machine: Machine, **changes: object) -> None:
        """Publish a changed letterhead in a store."""
        store = machine.store()
        following = newest(store, self.keyring).successor(**changes)
        with store.writing() as session:
            letterheads.add(
                session,
                following.serial,
                *letterhead_format.sign_letterhead(following, self.keyring.desk_key),
            )
        store.close()


def newest(store: Store, keyring: Keyring) -> letterhead_format.Letterhead:
    with store.reading() as session:
        found = letterheads.latest(session)
    assert found is not None
    return letterhead_format.verify_letterhead(found[1], found[2], keyring.fingerprint)


def a_desk(
    folder: Path, *, source_bind: str = "127.0.0.1:8080", sync_bind: str = "127.0.0.3:18082"
) -> TwoMachineDesk:
    """Make a desk as `steunpunt setup` does, with a cheap key derivation, and an empty server."""
    keyring = keyrings.create_keyring(FIRST, [Slot.for_passphrase(PASSPHRASE, _CHEAP)])
    first = Machine(folder / "first" / "var" / "config.toml", keyring.fingerprint)
    letterhead = first_letterhead(keyring, load_config(EXAMPLE, "desk", DeskConfig), _BEGAN)
    letterhead = msgspec.structs.replace(letterhead, argon2=letterhead_format.Argon2(t=1, m_kib=8, p=1))
    with new_private_folder(first.settings) as made:
        write_keyring(made, keyring)
        write_new(made / "config.toml", from_example(ONE_MACHINE, keyring.fingerprint, {}).encode("utf-8"))
        store = an_empty_store(made / STORE)
        with store.writing() as session:
            letterheads.add(session, 1, *letterhead_format.sign_letterhead(letterhead, keyring.desk_key))
        store.close()
    desk = a_desk_in(folder, keyring)
    binds = ["--source-bind", source_bind, "--sync-bind", sync_bind]
    desk.server.does("server", "setup", keyring.fingerprint, *binds)
    return desk


def a_desk_in(folder: Path, keyring: Keyring) -> TwoMachineDesk:
    first, server = (
        Machine(folder / name / "var" / "config.toml", keyring.fingerprint) for name in ("first", "server")
    )
    return TwoMachineDesk(folder, keyring, first, server)


def carry(out_of: Machine, into: Machine, stick: Path, *to: str) -> str:
    """Write a pouch on one machine and apply it on the other. Return the output of the second machine."""
    out_of.does("pouch", "make", stick, *to)
    return into.does("pouch", "apply", stick)


def texts_held(machine: Machine) -> set[bytes]:
    """Return the digests of the entries that a machine has."""
    store = machine.store()
    with store.reading() as session:
        found = {bytes(row[0]) for row in session.execute(text("SELECT digest FROM entry"))}
    store.close()
    return found


def flipped(path: Path, at: int) -> None:
    """Change one byte of a file."""
    raw = bytearray(path.read_bytes())
    raw[at] ^= 1
    path.write_bytes(raw)
