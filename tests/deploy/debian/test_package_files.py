import os
import re
import subprocess
from pathlib import Path

import pytest

from deploy.exit_codes import ExitCode

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


def test_the_example_of_the_settings_says_where_a_unit_may_write() -> None:
    """Fault: the comment advised a place where the packaged programs cannot write."""
    units = [path for path in (DEBIAN / "server/usr/lib/systemd/system").rglob("*") if path.is_file()]
    places = re.findall(r"(?m)^ReadWritePaths=(.*)$", "\n".join(path.read_text("utf-8") for path in units))
    comments = (ROOT / "config.example.toml").read_text("utf-8").partition("\n[backup]\n")[2]
    comments = comments.partition("\nkeep =")[0]

    assert ["/var/lib/steunpunt -/run/steunpunt /dev/shm"] == places
    assert "may write only below /var/lib/steunpunt" in " ".join(comments.replace("#", "").split())


def test_the_question_before_a_purge_names_what_is_deleted_and_what_stays() -> None:
    """Fault: after the answer *delete*, a store at another place stayed, and no one was told."""
    deleted = re.findall(r"rm -rf (\S+)", (DEBIAN / "server/DEBIAN/postrm").read_text("utf-8"))
    english, dutch = (DEBIAN / "server/DEBIAN/templates").read_text("utf-8").split("Description-nl.UTF-8:")

    assert ["/var/lib/steunpunt"] == deleted
    for question, stays in ((english, "outside this folder stays"), (dutch, "buiten deze map staat, blijft")):
        words = " ".join(question.split())
        assert deleted[0] in words
        assert stays in words


SERVER, WORKSTATION = "/var/lib/steunpunt/var/config.toml", "/home/adviser/steunpunt/var/config.toml"


@pytest.mark.parametrize(
    ("package", "typed", "settings", "command", "is_root_kept"),
    [
        ("server", "check", SERVER, "check", False),
        ("server", "onion status", SERVER, "onion status", True),
        ("server", "--settings demo/config.toml upgrade", "demo/config.toml", "upgrade", False),
        ("server", "--settings=demo/config.toml check", "demo/config.toml", "check", False),
        ("server", "--settings demo/config.toml backup", "demo/config.toml", "backup", True),
        ("server", "", SERVER, "", False),
        ("workstation", "check", WORKSTATION, "check", True),
        ("workstation", "--settings demo/config.toml upgrade", "demo/config.toml", "upgrade", True),
        ("workstation", "--settings=demo/config.toml check", "demo/config.toml", "check", True),
    ],
)
def test_the_installed_command_uses_the_settings_that_someone_names(
    tmp_path: Path, package: str, typed: str, settings: str, command: str, *, is_root_kept: bool
) -> None:
    """Fault: the installed command named its own settings too, so that the program refused both."""
    for name, body in {"program": 'echo "$@"', "id": "echo 0", "setpriv": 'echo setpriv "$@"'}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n", "utf-8")
        (tmp_path / name).chmod(0o755)
    installed = (DEBIAN / package / "usr/bin/steunpunt").read_text("utf-8")
    script = installed.replace("/usr/lib/steunpunt/bin/steunpunt", str(tmp_path / "program"))

    said = subprocess.run(
        ["sh", "-c", script, "steunpunt", *typed.split()],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": "/home/adviser"},
        capture_output=True,
        text=True,
        check=True,
    )

    words = said.stdout.split()
    assert is_root_kept is (words[0] != "setpriv")
    assert ["--settings", settings, *command.split()] == words[-2 - len(command.split()) :]
    assert said.stdout.count("--settings") == 1


@pytest.mark.parametrize("package", ["server", "workstation"])
def test_the_installed_command_refuses_settings_without_a_file(package: str) -> None:
    script = DEBIAN / package / "usr/bin/steunpunt"

    said = subprocess.run(["sh", script, "--settings"], capture_output=True, text=True, check=False)

    assert ExitCode.MISTYPED == said.returncode
    assert "--settings needs a file" in said.stderr


@pytest.mark.parametrize("starts", [True, False])
def test_the_menu_entry_shows_why_the_interface_did_not_start(tmp_path: Path, *, starts: bool) -> None:
    """Fault: after an upgrade that failed, the adviser pressed the menu entry, and nothing happened."""
    programs = {
        "systemctl": f'case $2 in start) exit {int(not starts)} ;; status) echo "the journal" ;; esac',
        "steunpunt": 'echo "Error: The upgrade failed: install older.deb." >&2; exit 5',
        "xdg-open": f'case "$1" in http*) echo "$1" ;; *) cat "$1" ;; esac >{tmp_path}/seen',
    }
    for name, body in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n", "utf-8")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "steunpunt-home/steunpunt/var").mkdir(parents=True)
    settings = tmp_path / "steunpunt-home/steunpunt/var/config.toml"
    settings.write_text('[adviser]\nbind = "127.0.0.2:8081"\n', "utf-8")
    script = (DEBIAN / "workstation/usr/lib/steunpunt/bin/open-adviser").read_text("utf-8")

    subprocess.run(
        ["sh", "-c", script.replace("/usr/bin/steunpunt", str(tmp_path / "steunpunt"))],
        env={
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "HOME": str(tmp_path / "steunpunt-home"),
            "XDG_RUNTIME_DIR": str(tmp_path),
        },
        check=True,
    )

    seen = (tmp_path / "seen").read_text("utf-8")
    if starts:
        assert "http://127.0.0.2:8081/\n" == seen
    else:
        assert "did not start" in seen
        assert "install older.deb" in seen
        assert "the journal" in seen
