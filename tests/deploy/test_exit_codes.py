"""Each command ends with the documented exit status, and says in one sentence on standard error why."""

import os
import re
import shlex
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from deploy.cli.main import main
from deploy.errors import DeployError
from deploy.exit_codes import ExitCode
from deploy.onion import onion_status
from deploy.onion.onion_status import StatusLine
from deploy.serving import gunicorn_server, supervisor
from deploy.serving.wiped_memory import ENVIRONMENT
from deploy.settings.settings_text import with_key
from deploy.setup import KEYRING, STORE
from store import letterheads
from store.database.atomic_files import folder_lock
from store.database.engine import open_store
from store.errors import StoreBusyError
from tests.deploy.backup.backups import IDENTITY, BackedUpDesk, a_backed_up_desk
from tests.deploy.cli.every_command import EVERY_COMMAND
from tests.deploy.servers import ROOT
from tests.deploy.two_machines import PASSPHRASE, TwoMachineDesk, a_desk

pytestmark = pytest.mark.enable_socket  # whether ports and sockets are free is looked at

# For each command: the machine on which someone types it, and its arguments.
LINES = {
    "setup": ("single/first", ""),
    "run": ("server", "source"),
    "check": ("server", ""),
    "backup": ("server", ""),
    "restore": ("server", "BACKUP --replace"),
    "upgrade": ("first", ""),
    "demo": ("new", "--folder DEMO"),
    "server setup": ("server", "FINGERPRINT"),
    "server card": ("server", ""),
    "server admit": ("server", "first.pairing"),
    "server dismiss": ("server", "'Werkstation 1'"),
    "server answer": ("server", ""),
    "server poster": ("server", "--folder OUT"),
    "workstation pair": ("single/first", "card --server file --out OUT"),
    "workstation sync": ("first", ""),
    "workstation retire": ("first", "'Werkstation 1'"),
    "workstation rebuild": ("new", "copy.age card --server file --fingerprint FINGERPRINT"),
    "keys list": ("first", ""),
    "keys add": ("first", "--typed --holder Colleague"),
    "keys remove": ("first", "01234567"),
    "keys change-passphrase": ("first", "--typed"),
    "keys confirm-copy": ("first", "copy.age"),
    "keys copy-backup": ("first", "."),
    "keys recover": ("first", "--from copy.age"),
    "keys fingerprint": ("first", ""),
    "keys make-openpgp": ("first", ""),
    "store verify": ("server", ""),
    "store sweep": ("server", ""),
    "store copy": ("server", "FROM sqlite:///nowhere/to.db"),
    "store create-roles": ("new", "'postgresql://administrator@/nowhere?host=/nowhere'"),
    "store letterhead": ("server", ""),
    "onion setup": ("server", ""),
    "onion torrc": ("server", ""),
    "onion publish": ("server", "--once"),
    "onion status": ("server", ""),
    "onion admit": ("server", f"desk-1 {'A' * 52}"),
    "onion dismiss": ("server", "desk-9"),
    "onion use-key": ("first", "copy.age"),
    "onion backup": ("server", "OUT --to RECIPIENT"),
    "onion restore": ("server", "onion.age --identity identity.txt"),
    "pouch make": ("server", "OUT"),
    "pouch apply": ("first", "POUCH"),
    "report make": ("first", "2026 --folder OUT"),
}
# These commands read no settings, or refuse any settings that exist.
NO_SETTINGS = {
    *("demo", "workstation rebuild", "onion restore", "onion use-key", "store copy", "store create-roles")
}
# These commands open no store of this machine, or do their work without it.
NO_STORE = {
    *("setup", "check", "demo", "restore", "server setup", "server card", "workstation rebuild"),
    *("keys confirm-copy", "keys copy-backup", "keys recover", "store create-roles"),
    *(name for name in LINES if name.startswith("onion ")),
}
ASKS = {
    *("workstation pair", "workstation sync", "workstation retire", "workstation rebuild", "report make"),
    *(f"keys {name}" for name in ("list", "add", "remove", "change-passphrase", "recover", "make-openpgp")),
    "pouch apply",
}
READS_A_KEYRING = ASKS - {"keys recover"}


@dataclass(frozen=True, slots=True)
class TypedCommands:
    """The machines of a desk, on which each command of the table can be typed."""

    desk: TwoMachineDesk

    def var(self, name: str) -> Path:
        return self.desk.folder / LINES[name][0] / "var"

    def types(self, name: str, *more: str, typed: str = "") -> Result:
        words = [*name.split(), *map(self._word, shlex.split(LINES[name][1])), *more]
        argv = ["--settings", str(self.var(name) / "config.toml"), *words]
        return CliRunner(env=ENVIRONMENT).invoke(main, argv, input=typed)

    def _word(self, word: str) -> str:
        """Return a word of the table as someone types it on this desk."""
        backups = (self.desk.server.settings.parent / "backups").glob("backup-*")
        meant = {
            "FINGERPRINT": self.desk.keyring.fingerprint,
            "RECIPIENT": str(IDENTITY.recipient),
            "BACKUP": str(next(backups, "")),
            "FROM": f"sqlite://{self.var('store copy') / STORE}",
            **{each: str(self.desk.folder / each) for each in ("DEMO", "OUT")},
            **{path.name: str(path) for path in self.desk.folder.iterdir()},
        }
        return meant.get(word, word)


def _set(settings: Path, section: str, key: str, value: str) -> None:
    settings.write_text(with_key(settings.read_text("utf-8"), section, key, value), "utf-8")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> BackedUpDesk:
    folder = tmp_path_factory.mktemp("made")
    backed_up = a_backed_up_desk(folder / "desk")
    backed_up.backs_up()
    backed_up.identity.chmod(0o600)
    backed_up.desk.card()
    backed_up.desk.copy_of_keyring()
    backed_up.server.does("pouch", "make", backed_up.desk.folder / "POUCH")
    out = backed_up.desk.folder / "onion.age"
    backed_up.server.does("onion", "backup", out, "--to", str(IDENTITY.recipient))
    a_desk(backed_up.desk.folder / "single")  # not paired
    nothing = f"unix:{backed_up.desk.folder / 'nothing'}"
    _set(backed_up.desk.first.settings, "adviser", "server", nothing)
    _set(backed_up.server.settings, "onion", "control", nothing)
    _set(backed_up.server.settings, "source", "onion_socket", f"{backed_up.desk.folder / 'source.sock'}")
    return backed_up


@pytest.fixture
def at(made: BackedUpDesk, tmp_path: Path) -> TypedCommands:
    return TypedCommands(made.desk.copied(tmp_path / "desk"))


def _asserts_refused(done: Result, status: ExitCode) -> None:
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert status == done.exit_code, done.output
    (sentence,) = re.findall(r"(?m)^Error: (.+)$", done.stderr)
    assert sentence[0].isupper() or sentence[0] == "/"
    assert done.stderr.endswith(f"Error: {sentence}\n")
    assert "Error: " not in done.stdout


def test_the_table_has_every_command() -> None:
    assert {" ".join(words) for words in EVERY_COMMAND} == set(LINES)


@pytest.mark.parametrize("name", LINES)
def test_a_command_that_is_typed_wrongly(at: TypedCommands, name: str) -> None:
    done = at.types(name, "--nonsense")

    _asserts_refused(done, ExitCode.MISTYPED)
    assert "" == done.stdout


@pytest.mark.parametrize("name", sorted(LINES.keys() - NO_SETTINGS))
def test_settings_that_cannot_be_read(at: TypedCommands, name: str) -> None:
    (at.var(name) / "config.toml").write_text("[", "utf-8")

    _asserts_refused(at.types(name), ExitCode.SETTINGS)


@pytest.mark.parametrize("name", sorted(LINES.keys() - NO_STORE))
def test_a_store_that_is_missing(at: TypedCommands, name: str) -> None:
    (at.var(name) / STORE).unlink()

    _asserts_refused(at.types(name, typed="x\n"), ExitCode.STORE)


@pytest.mark.parametrize("name", ["run", "store letterhead", "keys fingerprint", "server poster", "backup"])
def test_a_letterhead_that_someone_forged(at: TypedCommands, name: str) -> None:
    with closing(open_store(at.var(name) / STORE)) as store, store.writing() as session:
        letterheads.add(session, 9, b"forged", b"forged")

    _asserts_refused(at.types(name), ExitCode.STORE)


@pytest.mark.parametrize("name", sorted(READS_A_KEYRING))
def test_a_keyring_that_others_can_read(at: TypedCommands, name: str) -> None:
    keyring = at.desk.folder / "copy.age" if name == "workstation rebuild" else at.var(name) / KEYRING
    keyring.chmod(0o644)

    _asserts_refused(at.types(name, typed="x\n"), ExitCode.UNSAFE)


@pytest.mark.parametrize("name", ["run", "store sweep"])
def test_a_machine_in_an_unsafe_state(at: TypedCommands, name: str) -> None:
    (at.var(name) / STORE).chmod(0o644)

    done = at.types(name, "--refuse-unsafe")

    assert ExitCode.UNSAFE == done.exit_code
    assert "Error: Other users can read or change" in done.stderr


@pytest.mark.parametrize("name", sorted(ASKS))
def test_a_question_that_no_one_answers(at: TypedCommands, name: str) -> None:
    _asserts_refused(at.types(name), ExitCode.STOPPED)


@pytest.mark.parametrize("name", sorted(ASKS - {"workstation pair"}))
def test_a_wrong_passphrase(at: TypedCommands, name: str) -> None:
    _asserts_refused(at.types(name, typed="not the passphrase\n"), ExitCode.FAILED)


@pytest.mark.parametrize("name", ["setup", "restore", "upgrade", "server setup", "demo"])
def test_another_command_works_in_the_same_folder(at: TypedCommands, name: str) -> None:
    parent = at.desk.folder if name == "demo" else at.var(name).parent
    if name in {"setup", "server setup"}:
        at.var(name).rename(parent / "elsewhere")

    with folder_lock(parent, is_waiting=False):
        _asserts_refused(at.types(name, *(["--trial"] if name == "setup" else [])), ExitCode.BUSY)


def test_another_backup_is_being_made(at: TypedCommands) -> None:
    with folder_lock(at.var("backup") / "backups", is_waiting=False):
        _asserts_refused(at.types("backup"), ExitCode.BUSY)


def test_a_database_server_that_cannot_be_reached(at: TypedCommands) -> None:
    _asserts_refused(at.types("store create-roles"), ExitCode.BUSY)


def test_a_server_that_cannot_be_reached(at: TypedCommands) -> None:
    _asserts_refused(at.types("workstation sync", typed=f"{PASSPHRASE}\n"), ExitCode.BUSY)


@pytest.mark.parametrize("name", ["onion status", "onion publish"])
def test_tor_that_does_not_run(at: TypedCommands, name: str) -> None:
    _asserts_refused(at.types(name), ExitCode.BUSY)


def test_a_store_that_another_program_uses(at: TypedCommands, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: object) -> None:
        raise StoreBusyError

    monkeypatch.setattr("deploy.pinned_letterhead.open_letterhead", busy)

    _asserts_refused(at.types("store letterhead"), ExitCode.BUSY)


@pytest.mark.parametrize(
    "words",
    [
        *(
            ["store", "verify"],
            ["store", "letterhead"],
            ["check", "--json"],
            ["backup", "--help"],
            ["--version"],
        )
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_an_output_that_is_full(at: TypedCommands, words: list[str], unbuffered: str) -> None:
    """Fault: if the disk with the output was full, a command ended with a traceback."""
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    argv = [sys.executable, "-m", "deploy.cli.main", "--settings", at.desk.server.settings, *words]

    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            argv, cwd=ROOT, env=environment, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )

    assert ExitCode.FAILED == done.returncode, done.stderr
    assert done.stderr.endswith(
        "Error: The output cannot be written. Make room where the output goes, and run the command again.\n"
    )
    assert 1 == done.stderr.count("Error")
    assert "Traceback" not in done.stderr


def test_a_reader_that_needs_only_the_first_line(at: TypedCommands) -> None:
    argv = [sys.executable, "-m", "deploy.cli.main", "--settings", at.desk.server.settings, "check"]

    with subprocess.Popen(
        argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        said = running.stderr.read()

    assert (ExitCode.FAILED, "") == (running.returncode, said)


def test_onion_services_that_are_not_in_order(at: TypedCommands, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [StatusLine("Tor runs."), StatusLine("The service is not known.", "Wait a minute.")]
    monkeypatch.setattr(onion_status, "check_onion_status", lambda *_, **__: lines)

    said, as_data = at.types("onion status"), at.types("onion status", "--json")

    for done in (said, as_data):
        _asserts_refused(done, ExitCode.FAULTS_FOUND)
    assert "Tor runs.\nThe service is not known.\n  Do this: Wait a minute.\n" == said.stdout
    assert '"to_do": "Wait a minute."' in as_data.stdout


def test_a_machine_that_is_not_in_order(at: TypedCommands) -> None:
    _asserts_refused(at.types("check"), ExitCode.FAULTS_FOUND)


@pytest.mark.parametrize(
    ("ended_with", "status"),
    [(ExitCode.STORE, ExitCode.STORE), (0, ExitCode.FAILED), (-9, ExitCode.FAILED), (99, ExitCode.FAILED)],
)
def test_run_ends_with_the_status_of_the_program_that_ended(ended_with: int, status: ExitCode) -> None:
    ended = SimpleNamespace(poll=lambda: ended_with, returncode=ended_with)

    with pytest.raises(DeployError, match="The sweeper ended by itself") as why:
        supervisor._refuse_ended([(supervisor.Part("sweeper", []), ended)])  # type: ignore[list-item]

    assert status is why.value.status


@pytest.mark.parametrize("status", [3, 4])
def test_a_status_of_gunicorn_is_not_taken_for_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """gunicorn ends with 3 or 4 if no worker starts, and our 3 and 4 mean something else."""
    ending = SimpleNamespace(run=lambda: sys.exit(status))
    monkeypatch.setattr(gunicorn_server, "_WatchedArbiter", lambda _server: ending)
    monkeypatch.setattr(gunicorn_server, "install_quiet_log", lambda _stream: None)
    monkeypatch.setattr(gunicorn_server, "collect_from_here", lambda: None)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    bind = f"unix:{tmp_path / 's'}"
    server = gunicorn_server.GunicornServer(
        lambda: None,  # type: ignore[arg-type, return-value]
        binds=[bind],
        workers=1,
        threads=1,
        stop_seconds=1,
    )

    with pytest.raises(DeployError, match="No worker could start"):
        server.run()
