"""Output of the commands of `steunpunt onion` that need no running Tor."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from deploy.cli.main import main
from deploy.onion import torrc
from deploy.onion.clients import UNUSED_CLIENT, admitted_clients, make_client_key
from deploy.settings.load_settings import load_config
from deploy.settings.onion_settings import OnionConfig
from deploy.settings.settings_text import with_key
from programs.runner import ProgramLimits
from tests.deploy.onion.sites import settings_in

KEY = make_client_key().public


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    return settings_in(
        tmp_path / "var",
        folder="onion",
        control="unix:/nonexistent/control",
        onion_socket="/run/steunpunt/source.sock",
        sync_socket="/run/steunpunt/sync.sock",
    )


def _run(settings: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["--settings", str(settings), "onion", *words])


def test_admit_and_dismiss_say_how_tor_applies_them(settings: Path) -> None:
    folder = load_config(settings, "onion", OnionConfig).clients_folder

    first = _run(settings, "admit", "desk-1", KEY)
    there = admitted_clients(folder)
    lines = _run(settings, "torrc")
    second = _run(settings, "dismiss", "desk-1")

    assert (first.exit_code, second.exit_code, lines.exit_code) == (0, 0, 0)
    assert "desk-1 may connect. To apply it: systemctl reload tor" in first.output
    assert "desk-1 may no longer connect. To apply it: systemctl restart tor" in second.output
    assert there == {"desk-1": KEY}
    assert admitted_clients(folder) == {}
    assert lines.output.count("HiddenServiceDir ") == 2


def test_debians_tor_uses_a_changed_list_of_clients_at_once(
    settings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reload does not close the open connection of a workstation that was dismissed."""
    told = tmp_path / "told"
    monkeypatch.setattr(torrc, "_SYSTEMCTL", ("/bin/sh", "-c", f'echo "$0 $@" >>{told}'))
    monkeypatch.setattr(torrc, "_SYSTEMCTL_LIMITS", ProgramLimits(5, 10**9, 10, file_bytes=1000))
    monkeypatch.setattr(torrc, "_TOR_FOLDER", load_config(settings, "onion", OnionConfig).folder)

    first, second = _run(settings, "admit", "desk-1", KEY), _run(settings, "dismiss", "desk-1")

    assert (first.output, second.output) == (
        "desk-1 may connect. Tor uses the changed list.\n",
        "desk-1 may no longer connect. Tor uses the changed list.\n",
    )
    assert told.read_text("utf-8") == "reload tor\nrestart tor\n"


def test_a_client_is_admitted_also_if_tor_does_not_run(
    settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load_config(settings, "onion", OnionConfig)
    monkeypatch.setattr(torrc, "_SYSTEMCTL", ("/bin/false",))
    monkeypatch.setattr(torrc, "_TOR_FOLDER", config.folder)

    done = _run(settings, "admit", "desk-1", KEY)

    assert done.exit_code == 1
    assert "systemctl status tor@default" in done.output
    assert admitted_clients(config.clients_folder) == {"desk-1": KEY}


def test_the_onion_for_sync_has_an_address_before_a_workstation_is_admitted(settings: Path) -> None:
    """A workstation is first paired with the address of the onion service, and admitted later."""
    lines = _run(settings, "torrc")

    folder = load_config(settings, "onion", OnionConfig).clients_folder
    assert lines.output.count("HiddenServiceDir ") == 2
    assert [path.name for path in folder.iterdir()] == [f"{UNUSED_CLIENT}.auth"]
    assert admitted_clients(folder) == {}


def test_tor_leads_sources_to_the_proxy_of_several_servers(settings: Path) -> None:
    text = with_key(settings.read_text("utf-8"), "onion", "proxy_socket", "/run/steunpunt/proxy.sock")
    settings.write_text(text, "utf-8")

    ports = re.findall("(?m)^HiddenServicePort 80 unix:(.*)$", _run(settings, "torrc").output)
    assert ports == ["/run/steunpunt/proxy.sock", "/run/steunpunt/sync.sock"]


def test_with_the_control_port_changes_apply_by_themselves(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "var", way="control", folder="onion")

    assert "applies it by itself" in _run(settings, "admit", "desk-1", KEY).output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["dismiss", "desk-9"], "No workstation is called desk-9"),
        (["admit", "Desk 1", KEY], "small letters"),
        (["admit", "desk-1", "no key"], "52 letters and digits"),
        (["publish", "--once"], "use steunpunt onion torrc"),
        (["backup", "x.age", "--to", "age1none"], "not an age recipient"),
    ],
)
def test_a_command_that_fails_prints_one_sentence(settings: Path, words: list[str], said: str) -> None:
    result = _run(settings, *words)

    assert result.exit_code == 1
    assert said in result.output
    assert len(result.output.splitlines()) == 1
