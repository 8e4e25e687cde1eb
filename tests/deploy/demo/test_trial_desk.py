"""A trial desk says on every page what it is, and can never become a real desk."""

from dataclasses import replace
from pathlib import Path

import pytest

from deploy.errors import DeployError
from deploy.poster.make_poster import make_posters
from deploy.serving.serve_source import serve_source
from deploy.settings.load_settings import load_config
from deploy.settings.settings_text import with_key
from protocol.letterhead import TRIAL_SALT, sign_letterhead
from protocol.pouch.pairing_file import Pairing
from source_app.config import SourceConfig
from tests.deploy.servers import free_address
from tests.deploy.two_machines import TwoMachineDesk, a_desk, newest

pytestmark = pytest.mark.enable_socket  # whether a port is free is looked at, on loopback

ONION = "su65btplhtb2mxt4qvcr7ly7a4upguwit4cptdwqldw3ec4iz35fpeqd.onion"
NEVER = "trial desk, which can never become a real desk"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> TwoMachineDesk:
    """Return a trial desk on one machine, and the empty server of the same desk."""
    bind = ":".join(map(str, free_address()))
    made = a_desk(tmp_path_factory.mktemp("made") / "desk", source_bind=bind)
    made.publishes(made.first, site_salt=TRIAL_SALT)
    made.card()
    return made


def test_a_trial_desk_is_not_paired_with_a_server_and_asks_for_no_passphrase(desk: TwoMachineDesk) -> None:
    done = desk.first.types("workstation", "pair", desk.folder / "card", "--server", "file")
    assert (1, True, False) == (done.exit_code, NEVER in done.output, "Passphrase" in done.output)


def test_a_server_does_not_admit_the_workstation_of_a_trial_desk(desk: TwoMachineDesk) -> None:
    store = desk.first.store()
    trial = newest(store, desk.keyring)
    store.close()
    body, signature = sign_letterhead(trial, desk.keyring.desk_key)
    strand = desk.keyring.strand
    pairing = Pairing(strand=strand.id, base=b"", letterhead=body, signature=signature, onion_client="")
    path = desk.folder / "forced.pairing"
    path.write_bytes(pairing.to_bytes(strand.seed))
    assert NEVER in desk.server.is_told("server", "admit", path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("origin", "https://steunpunt.example"),
        ("bind", "unix:/run/no-such-socket.sock"),
        ("onion_socket", "/run/no-such-socket.sock"),
        ("onion_host", ONION),
    ],
)
def test_settings_do_not_open_a_trial_desk_to_the_public(
    desk: TwoMachineDesk, tmp_path: Path, key: str, value: str
) -> None:
    copied = desk.copied(tmp_path / "desk").first.settings
    copied.write_text(with_key(copied.read_text(), "source", key, value))
    with pytest.raises(DeployError, match=NEVER):
        serve_source(copied)


def test_a_trial_desk_has_no_poster(desk: TwoMachineDesk, tmp_path: Path) -> None:
    store = desk.first.store()
    trial = newest(store, desk.keyring)
    store.close()
    source = load_config(desk.first.settings, "source", SourceConfig)
    with pytest.raises(DeployError, match=NEVER):
        next(make_posters(replace(source, onion_host="x.onion"), trial, tmp_path, ""))


def test_set_up_and_check_say_that_the_desk_is_a_trial_and_do_not_offer_to_complete_it(
    desk: TwoMachineDesk,
) -> None:
    for words in (["setup", "--print-passphrase"], ["check"]):
        said = desk.first.types(*words).output
        assert ("trial desk" in said, "is not complete" in said) == (True, False)


def test_a_demo_is_not_made_in_the_folder_of_another_desk(desk: TwoMachineDesk) -> None:
    before = desk.server.settings.read_bytes()
    told = desk.first.is_told("demo", "--folder", desk.first.settings.parent)
    assert "has another desk. Nothing was changed" in told
    assert before == desk.server.settings.read_bytes()
