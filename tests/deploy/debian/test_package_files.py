import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DEBIAN = ROOT / "deploy" / "debian"
TOR = Path("/lib/systemd/system/tor@default.service")


def _control(package: str) -> dict[str, str]:
    text = (DEBIAN / package / "DEBIAN" / "control").read_text("utf-8")
    return dict(line.split(": ", 1) for line in text.splitlines() if re.match(r"[A-Z][A-Za-z-]*: ", line))


def test_the_server_installs_no_program_that_only_the_adviser_uses() -> None:
    server, workstation = _control("server"), _control("workstation")

    for program in ("gnupg", "mat2", "bubblewrap", "libreoffice", "pango"):
        assert program in workstation["Depends"] + workstation["Recommends"]
        assert program not in server["Depends"] + server["Recommends"]


def test_one_machine_is_never_both_server_and_workstation() -> None:
    assert _control("server")["Conflicts"] == "steunpunt-workstation"
    assert _control("workstation")["Conflicts"] == "steunpunt-server"


def test_the_packages_have_each_folder_of_the_program() -> None:
    folders = re.search(r"(?m)^PACKAGES := (.*)$", (ROOT / "Makefile").read_text("utf-8"))
    assert folders is not None

    assert f"{folders[1]} languages" in (DEBIAN / "build.sh").read_text("utf-8").replace(" \\\n    ", " ")


def test_each_script_of_the_packages_is_a_valid_shell_script() -> None:
    scripts = [path for path in DEBIAN.rglob("*") if path.is_file() and path.read_bytes()[:9] == b"#!/bin/sh"]
    assert len(scripts) > 7

    for path in scripts:
        subprocess.run(["sh", "-n", path], check=True)
        assert path.stat().st_mode & 0o111


def test_the_menu_entry_of_the_adviser_is_valid() -> None:
    entry = DEBIAN / "workstation/usr/share/applications/steunpunt-adviser.desktop"

    said = subprocess.run(["desktop-file-validate", entry], capture_output=True, text=True, check=False)

    assert (said.returncode, said.stdout) == (0, "")


def test_tor_starts_with_debians_own_lines_and_one_more_settings_file() -> None:
    ours = (DEBIAN / "server/usr/lib/systemd/system/tor@default.service.d/steunpunt.conf").read_text("utf-8")
    starts = [line for line in TOR.read_text("utf-8").splitlines() if line.startswith("ExecStart")]
    assert len(starts) == 3

    changed = [line.replace("/etc/tor/torrc", "/usr/share/tor/steunpunt-torrc") for line in starts]

    assert [line for line in ours.splitlines() if re.match("ExecStart.*=.", line)] == changed
    assert "%include /etc/tor/torrc\n" in (DEBIAN / "server/usr/share/tor/steunpunt-torrc").read_text("utf-8")


@pytest.mark.parametrize("profile", ["steunpunt-server", "steunpunt-tor"])
def test_each_apparmor_profile_can_be_parsed(profile: str) -> None:
    """This says nothing of the kernel: many machines that run tests have a kernel without AppArmor."""
    path = DEBIAN / "server/etc/apparmor.d" / profile

    subprocess.run(["/sbin/apparmor_parser", "--skip-kernel-load", "--skip-cache", path], check=True)
