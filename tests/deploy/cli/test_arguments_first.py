"""A command that cannot succeed says so before it asks for the passphrase, and changes nothing."""

from pathlib import Path

import pytest

from crypto.passphrase import Argon2Params
from deploy.exit_codes import ExitCode
from deploy.setup import KEYRING
from protocol import keyring as keyrings
from protocol.keyring import Slot
from tests.deploy.two_machines import FIRST, Machine, TwoMachineDesk, a_desk

pytestmark = pytest.mark.enable_socket  # whether the adviser's port is free is looked at, on loopback

ONION_WITH_TYPING_ERROR = f"onion:{'a' * 56}.onion"
NOWHERE = Path("/dev/null/nowhere/file")  # no one can make it


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> TwoMachineDesk:
    made = a_desk(tmp_path_factory.mktemp("made") / "desk")
    made.card()
    made.copy_of_keyring()
    return made


def _is_told_at_once(machine: Machine, *words: str | Path, status: int = ExitCode.FAILED) -> str:
    """Run a command that must fail before it asks for the passphrase. Return its sentence."""
    before = _contents(machine.settings.parent)
    done = machine.types(*words)
    assert status == done.exit_code, done.output
    assert "Passphrase" not in done.output
    assert before == _contents(machine.settings.parent)
    return done.stderr.partition("Error: ")[2]


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*") if path.suffix in {".toml", ".age"}}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["workstation", "sync"], "one machine, without a server"),
        (["workstation", "retire", "Nergens"], "Which workstation?"),
        (["pouch", "make", NOWHERE], "is not a folder in which this user can write"),
        (["report", "make", "2026", "--folder", NOWHERE], "is not a folder in which this user can write"),
        (["keys", "add", "--typed", "--holder", " "], "one line of 1 to 200"),
        (["keys", "add", "--sheet", "--holder", "Kluis", "--folder", "/proc/self"], "can write"),
        (["keys", "remove", "kluis"], "nothing with this id"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(map(str, value[:2])),
)
def test_a_workstations_command_checks_its_arguments_first(
    desk: TwoMachineDesk, words: list[str | Path], said: str
) -> None:
    assert said in _is_told_at_once(desk.first, *words)


@pytest.mark.parametrize("content", [b"", b"not a pouch", b"age-encryption.org/v1\n-> X25519 cut off"])
def test_a_file_that_is_no_pouch_is_refused_first(
    desk: TwoMachineDesk, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "no-pouch").write_bytes(content)
    assert "This pouch is damaged" in _is_told_at_once(desk.first, "pouch", "apply", tmp_path / "no-pouch")


def test_a_workstation_that_was_never_paired_is_told_so_before_it_makes_a_pouch(
    desk: TwoMachineDesk, tmp_path: Path
) -> None:
    assert "do not know each other" in _is_told_at_once(desk.first, "pouch", "make", tmp_path / "pouch")
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("way", ["carrier-pigeon", "ssh:", "unix:relative", ONION_WITH_TYPING_ERROR])
@pytest.mark.parametrize("command", ["pair", "pair a new one", "rebuild"])
def test_a_wrong_server_is_refused_first(desk: TwoMachineDesk, command: str, way: str) -> None:
    card, copy = desk.folder / "card", desk.folder / "copy.age"
    fingerprint = ["--fingerprint", desk.keyring.fingerprint]
    words: list[str | Path] = {
        "pair": ["workstation", "pair", card],
        "pair a new one": [
            "workstation",
            "pair",
            card,
            "--keyring",
            copy,
            "--name",
            "Werkstation 2",
            *fingerprint,
        ],
        "rebuild": ["workstation", "rebuild", copy, card, *fingerprint],
    }[command]
    machine = desk.first if command == "pair" else desk.machine("new")

    said = _is_told_at_once(machine, *words, "--server", way)

    assert "server" in said or "typing error" in said


def test_a_pairing_file_that_cannot_be_written_is_refused_first(desk: TwoMachineDesk) -> None:
    words = ["workstation", "pair", desk.folder / "card", "--server", "file", "--out", NOWHERE]

    assert "is not a folder in which this user can write" in _is_told_at_once(desk.first, *words)


def test_a_workstation_that_exists_is_not_set_up_again_and_no_passphrase_is_asked(
    desk: TwoMachineDesk,
) -> None:
    new = ["--server", "file", "--fingerprint", desk.keyring.fingerprint]
    copy, card = desk.folder / "copy.age", desk.folder / "card"

    for words in (
        ["workstation", "pair", card, "--keyring", copy, "--name", "Werkstation 2", *new],
        ["workstation", "rebuild", copy, card, *new],
    ):
        assert "this is a workstation already" in _is_told_at_once(desk.first, *words)


def test_a_new_workstation_is_checked_against_its_card_first(desk: TwoMachineDesk) -> None:
    paired = desk.copied(desk.folder.with_name("paired"))
    paired.pair_first()
    card, copy = paired.card(), paired.folder / "copy.age"
    words: list[str | Path] = ["workstation", "pair", card, "--server", "file", "--keyring", copy]
    ours = ["--fingerprint", paired.keyring.fingerprint]
    new = paired.machine("new")
    other = keyrings.create_keyring("other", [Slot.for_passphrase("x", Argon2Params(t=1, m_kib=8, p=1))])

    told = [
        _is_told_at_once(new, *words, "--name", FIRST, *ours),
        _is_told_at_once(new, *words, "--name", "x" * 300, *ours),
        _is_told_at_once(new, *words, "--name", "Werkstation 2", "--fingerprint", "RW" + "A" * 54),
        _is_told_at_once(new, *words, "--name", "Werkstation 2", "--fingerprint", other.fingerprint),
        _is_told_at_once(
            new,
            "workstation",
            "pair",
            desk.folder / "card",
            "--server",
            "file",
            "--keyring",
            copy,
            "--name",
            "x",
            *ours,
        ),
    ]

    reasons = [
        "this name already",
        "at most 200",
        "not the fingerprint",
        "not this desk's",
        "no letterhead in this card",
    ]
    assert all(reason in sentence for reason, sentence in zip(reasons, told, strict=True)), told


def test_options_that_would_do_nothing_are_refused(desk: TwoMachineDesk) -> None:
    told = _is_told_at_once(
        desk.first,
        "workstation",
        "pair",
        desk.folder / "card",
        "--server",
        "file",
        "--name",
        "Werkstation 2",
        status=2,
    )

    assert "--name and --fingerprint belong to --keyring" in told


def test_a_keyring_that_others_can_read_is_refused_first(desk: TwoMachineDesk, tmp_path: Path) -> None:
    copied = desk.copied(tmp_path / "desk")
    (copied.first.settings.parent / KEYRING).chmod(0o644)

    assert "can be read by others" in _is_told_at_once(
        copied.first, "workstation", "sync", status=ExitCode.UNSAFE
    )


def test_without_gpg_no_passphrase_is_asked_for_an_openpgp_key(
    desk: TwoMachineDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert "is not installed" in _is_told_at_once(desk.first, "keys", "make-openpgp")


def test_a_second_retirement_says_that_nothing_was_changed(desk: TwoMachineDesk, tmp_path: Path) -> None:
    paired = desk.copied(tmp_path / "desk")
    paired.pair_first()
    second = paired.second()
    paired.first.does("pouch", "apply", _pouch(paired, "first"))
    paired.first.does("workstation", "retire", "Werkstation 2")

    again = paired.first.does("workstation", "retire", "Werkstation 2")

    assert "Nothing was changed" in again
    assert "Signatures of" not in again
    assert second.settings.exists()


def _pouch(paired: TwoMachineDesk, name: str) -> Path:
    path = paired.folder / f"for-{name}"
    paired.server.does("pouch", "make", path, "--to", FIRST)
    return path


def test_a_workstation_that_the_server_forgot_is_not_forgotten_again(
    desk: TwoMachineDesk, tmp_path: Path
) -> None:
    paired = desk.copied(tmp_path / "desk")
    paired.pair_first()
    assert f"This server has forgotten {FIRST}." in paired.server.does("server", "dismiss", FIRST)

    again = paired.server.does("server", "dismiss", FIRST)

    assert f"This server did not know {FIRST} any more." in again
    assert "has forgotten" not in again


# ---- set-up ----------------------------------------------------------------------------------------


def _set_up_server(machine: Machine, fingerprint: str, *options: str) -> tuple[int, str]:
    done = machine.types("server", "setup", fingerprint, *options)
    return done.exit_code, done.output


def test_a_desk_does_not_become_a_server_and_is_not_called_one(desk: TwoMachineDesk) -> None:
    status, said = _set_up_server(desk.first, desk.keyring.fingerprint)

    assert 1 == status
    assert "is not a server" in said
    assert "set up in" not in said


def test_a_server_of_the_same_desk_stays_as_it_is_and_says_so(desk: TwoMachineDesk) -> None:
    status, said = _set_up_server(desk.server, desk.keyring.fingerprint)

    assert (0, True) == (status, said.startswith("Nothing was changed: "))


def test_a_copy_to_recover_from_that_others_can_read_is_refused_first(
    desk: TwoMachineDesk, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.age"
    copy.write_bytes((desk.folder / "copy.age").read_bytes())
    copy.chmod(0o644)

    assert "chmod 600" in _is_told_at_once(
        desk.first, "keys", "recover", "--from", copy, status=ExitCode.UNSAFE
    )


@pytest.mark.parametrize(
    "words",
    [["add", "--typed", "--holder", "X"], ["remove", "01234567"], ["change-passphrase", "--typed"], ["list"]],
    ids=lambda words: words[0],
)
def test_a_machine_without_a_keyring_is_not_asked_for_its_passphrase(
    desk: TwoMachineDesk, words: list[str]
) -> None:
    assert "missing section [adviser]" in _is_told_at_once(
        desk.server, "keys", *words, status=ExitCode.SETTINGS
    )


def test_a_server_of_another_desk_is_refused(desk: TwoMachineDesk) -> None:
    other = desk.keyring.fingerprint[:-4] + "AAAA"

    status, said = _set_up_server(desk.server, other)

    assert (1, True) == (status, "another desk" in said)


@pytest.mark.parametrize("machine", ["first", "server", "new"])
def test_a_fingerprint_with_a_typing_error_is_refused_on_every_machine(
    desk: TwoMachineDesk, machine: str
) -> None:
    status, said = _set_up_server(desk.machine(machine), "RW123")

    assert (1, True) == (status, "not the fingerprint of a desk" in said)
    assert machine != "new" or not desk.machine("new").settings.parent.exists()


def test_a_server_or_a_half_lost_desk_is_not_called_a_desk_that_is_set_up(
    desk: TwoMachineDesk, tmp_path: Path
) -> None:
    assert "is not a desk on one machine" in desk.server.is_told("setup", "--print-passphrase")
    copied = desk.copied(tmp_path / "desk")
    assert "Nothing was changed" in copied.first.does("setup", "--print-passphrase")

    (copied.first.settings.parent / KEYRING).unlink()

    assert "is missing: restore it from a backup" in copied.first.is_told("setup", "--print-passphrase")


@pytest.mark.parametrize(
    "words",
    [
        ["setup", "--trial", "--source-bind", "0.0.0.0:80"],  # refused
        ["setup", "--trial", "--adviser-bind", "example.org:80"],
        ["server", "setup", "FINGERPRINT", "--sync-bind", "192.0.2.1:80"],
    ],
    ids=lambda words: words[-2],
)
def test_an_address_that_no_program_would_accept_makes_no_desk_and_no_server(
    desk: TwoMachineDesk, tmp_path: Path, words: list[str]
) -> None:
    machine = Machine(tmp_path / "var" / "config.toml", "")
    words = [desk.keyring.fingerprint if word == "FINGERPRINT" else word for word in words]

    said = machine.is_told(*words)

    assert "'bind' must be a loopback address" in said
    assert not any(tmp_path.iterdir())
