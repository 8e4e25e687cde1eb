"""A newcomer who does what the manual says: types each command, answers each question, carries each file."""

import re
import shutil
import subprocess
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from deploy.exit_codes import ExitCode
from deploy.settings.settings_text import with_key
from tests.deploy.person_at_terminal import typing_to
from tests.deploy.servers import ROOT
from tests.deploy.sites.proxied_sites import CERTIFICATE, certify
from tests.docs.manual_blocks import Block
from tests.proofs.packages.debian_machine import DebianMachine
from tests.proofs.packages.package_builds import Packages
from tests.proofs.packages.server_steps import MONITOR_READS_OK

ADVISER = "adviser"
_EXCHANGE = "srv/steunpunt"
_SETTINGS = "var/lib/steunpunt/var/config.toml"
_BACKUPS = "var/lib/steunpunt/var/backups"
STICK = "media/STICK"
_SOURCES = "usr/local/src/steunpunt"
_REPOSITORY = "srv/steunpunt.git"
_AUTHORITIES = "usr/local/share/ca-certificates"
_CERTIFICATE = f"/{CERTIFICATE}/fullchain.pem /{CERTIFICATE}/privkey.pem"
_TRIES, _TRY_SECONDS = 20, 5

# What a newcomer writes down, and the words for which the manual uses the newest note.
_NOTES = {
    "passphrase": r"shown only this once:\n\n    (.*)\n",
    "RW…": r"(RW[A-Za-z0-9+/]{54})\s",
    "age1…": r"(age1\w+)",
    "address for sources": r"For sources: (\S+)",
    "ADDRESS.onion": r"For workstations: (\S+)",
    "NAME KEY": r"steunpunt onion admit (\w+ \w+)",
    "dismiss NAME": r"steunpunt onion (dismiss \w+)",
    "before-upgrade/backup-DAY": r"copy in /var/lib/steunpunt/var/(before-upgrade/backup-\S+) after a week",
    "backup-DAY": r"/(backup-\d{4}-\d\d-\d\d(?:-\d+)?): \d+ entries verified",
    "FINGERPRINT": r"(?m)^ +((?:[0-9A-F]{4} +){9}[0-9A-F]{4})",
    "ID": r"([0-9a-f]{8})  passphrase .*New adviser",
    "NAME": r"(?m)^(.*) may sync with this server\.",
}
_ADMIT_ONION = (("server", "steunpunt onion admit NAME KEY"),)
_NO_DIALOGS = "DEBIAN_FRONTEND=noninteractive"
_TOR_KEY = (("workstation root", "steunpunt onion use-key ~ADVISER/steunpunt/var/onion-auth/*.auth_private"),)
_SYNC_AFTER_RESTORE = (
    ("server", "systemctl start steunpunt-sync"),
    ("workstation", "steunpunt workstation sync"),
    ("server", "systemctl start steunpunt.target"),
)
# Steps of another section that the manual names after these commands.
_STEPS_ELSEWHERE: Mapping[str, Sequence[tuple[str, str]]] = {
    "steunpunt workstation pair card --server file": [
        ("server", "steunpunt server admit werkstation-1.pairing")
    ],
    "steunpunt workstation pair card --server ssh:": [
        ("server", "steunpunt server admit werkstation-1.pairing")
    ],
    "systemctl restart caddy": [("server", "steunpunt check")],
    "systemctl restart nginx": [("server", "steunpunt check")],
    "systemctl enable --now steunpunt-watch": [
        ("server", f"for i in $(seq 300); do {MONITOR_READS_OK} && exit; sleep 1; done; exit 1")
    ],
    "steunpunt restore /var/lib/steunpunt/var/before-upgrade": _SYNC_AFTER_RESTORE,
    "rm copy.age": [
        *_TOR_KEY,
        ("server", "steunpunt server admit werkstation-2.pairing"),
        *_ADMIT_ONION,
        ("new workstation", "steunpunt workstation sync"),
    ],
    "steunpunt workstation rebuild": [
        *_TOR_KEY,
        ("server", "steunpunt server admit REBUILT.pairing"),
        *_ADMIT_ONION,
    ],
}
# What the manual says about the end of a command, and about what the command prints.
_STATUS = {"steunpunt workstation rebuild": 6}
_PRINTS = {
    "ssh -T": "refused unreadable",
    "steunpunt setup": "shown only this once",
    "age-keygen": "age1",
    "steunpunt workstation sync": "Synced on ",
}


class Newcomer:
    """Person with a server, a workstation and a third machine, who writes down what a later step needs."""

    def __init__(
        self,
        server: DebianMachine,
        workstation: DebianMachine,
        elsewhere: Path,
        packages: Packages,
        newer: Packages,
    ) -> None:
        self._packages = packages
        self._newer = newer
        self.server = server
        self.workstation = workstation
        self.new_server: DebianMachine | None = None
        self.elsewhere = elsewhere
        self.notes = {
            "DAY": datetime.now(UTC).date().isoformat(),
            "HOST": "mailbox",
            "git clone ADDRESS": f"git clone /{_REPOSITORY}",
            "steunpunt-server_NEWER.deb": newer.server.name,
            "steunpunt-workstation_NEWER.deb": newer.workstation.name,
            "steunpunt-server_OLDER.deb": packages.server.name,
            "+31 …": "+31 70 000 0000",
        }
        self.accounts: list[
            str
        ] = []  # of advisers on the workstation: the newest is of the newest workstation
        self.seconds: dict[str, list[float]] = {}  # that each typed command took, by the machine
        self._folders = {"server": "/root", "new server": "/root"}
        self._answers: dict[str, Callable[[str], str]] = {
            r"(?<!new )[Pp]assphrase: ": lambda _: self.notes["passphrase"],
            r"Passphrase, or the words or the key of the sheet: ": lambda _: self.notes["passphrase"],
            r"safe 3: ": lambda _: "safe 3",
            r"Word \d+ on the printed sheet: ": self._word_of_sheet,
            r"Type the new passphrase: ": lambda shown: re.findall(r"only this once:\n\n    (.*)\n", shown)[
                -1
            ],
            r"Enter file in which to save the key .*: ": lambda _: "",
            r"continue connecting \(yes/no/\[fingerprint\]\)\? ": lambda _: "yes",
            r"\[Y/n\] ": lambda _: "y",
        }

        self._before: dict[str, Callable[[], None]] = {  # what the manual tells in words before a command
            "workstation root: git clone": self._publishes_sources,
            "workstation root: apt-get install /usr/local/src": self._has_made_packages,
            "server: apt-get install ./steunpunt-server_NEWER": self._brings_packages_to_server,
            "server: chown steunpunt: /var/lib/steunpunt/mail-password": self._writes_password,
            "server: systemctl restart caddy": self._names_certificate_for_caddy,
            "server: systemctl restart nginx": self._gets_certificate_for_nginx,
            "new workstation: cp /media": self._begins_workstation,
            "new server: cd ": self._begins_new_server,
            "workstation: steunpunt keys recover": self._damages_keyring,
            "server: apt-get purge": self._lets_debian_delete_the_desk,
            "workstation: gpg --show-keys": self._gets_key_of_recipient,
            "new server: steunpunt restore": self._empties_new_server,
        }

    def does(self, block: Block) -> None:
        """Do everything that a block says: type its commands, change these settings, or write this file."""
        kind, *place = block.kind.split(" ", 1)
        if not block.is_run:
            return
        if kind == "sh":
            for line in block.run_lines:
                self.types(place[0], line, block.at)
        elif kind == "toml":
            self._changes_settings("\n".join(block.lines))
        elif kind == "python":
            path = self.server.root / place[0].partition(" /")[2]
            path.parent.mkdir(parents=True, exist_ok=True)  # the copy of a machine has an empty /usr/local
            path.write_text("\n".join([*block.lines, ""]), "utf-8")

    def types(self, place: str, line: str, at: str) -> None:
        """Type a command. Write down what it shows, carry files, and do the steps that the manual names."""
        for begin, prepare in self._before.items():
            if f"{place}: {line}".startswith(begin):
                prepare()
        begun = time.monotonic()
        shown = self._shown(place, self._filled_in(line), at)
        self.seconds.setdefault(place, []).append(time.monotonic() - begun)
        for name, pattern in _NOTES.items():
            if (found := re.search(pattern, shown)) and not (name == "passphrase" and name in self.notes):
                self.notes[name] = found[1].replace(" ", "") if name == "FINGERPRINT" else found[1]
        self._carries_files()
        for begin, steps in _STEPS_ELSEWHERE.items():
            if line.startswith(begin):
                for step in steps:
                    self.types(*step, at)

    def _filled_in(self, line: str) -> str:
        notes = {**self.notes, "ADVISER": self.accounts[-1]}
        for name in sorted(notes, key=len, reverse=True):
            line = line.replace(name, notes[name])
        return line

    def _shown(self, place: str, command: str, at: str) -> str:
        if place in self._folders and command.startswith("cd "):
            self._folders[place] = command.removeprefix("cd ")
        if place == "elsewhere":
            words = ["env", f"--chdir={self.elsewhere}", "sh", "-c", command]
        elif place in self._folders:
            machine = self.server if place == "server" else self.new_server
            assert machine is not None
            words = [*_enter(machine, self._folders[place]), "sh", "-c", command]
        elif place == "workstation root":
            words = [*_enter(self.workstation), "bash", "-c", command]
        else:
            account = ADVISER if place == "workstation" else self.accounts[-1]
            words = [*_enter(self.workstation), "runuser", "-l", account, "--session-command", command]
        shown, status = self._typed(words)
        for _ in range(_TRIES):  # "try again": Tor may not have found the onion service of a new server yet
            if status != ExitCode.BUSY or not command.startswith("steunpunt workstation sync"):
                break
            time.sleep(_TRY_SECONDS)
            shown, status = self._typed(words)
        wanted = next((each for begin, each in _STATUS.items() if command.startswith(begin)), 0)
        assert status == wanted, f"{at}: {command}: status {status}:\n{shown}"
        for begin, words in _PRINTS.items():
            assert words in shown or not command.startswith(begin), f"{at}: {command}:\n{shown}"
        return shown

    def _typed(self, words: Sequence[str | Path]) -> tuple[str, int]:
        with typing_to(words) as person:
            return person.talks(self._answers), person.program.wait()

    def _changes_settings(self, lines: str) -> None:
        path = self.server.root / _SETTINGS
        text = path.read_text("utf-8")
        for section, values in tomllib.loads(lines).items():
            for key in values:
                written = re.search(rf"(?m)^{key} = (.*)$", lines)
                assert written is not None
                text = with_key(text, section, key, f"@{key}@").replace(f'"@{key}@"', written[1])
        path.write_text(text, "utf-8")

    def _word_of_sheet(self, shown: str) -> str:
        path = re.findall(r"Print this sheet now, once: /(\S+)\.\w+\n", shown)[-1]
        sheet = (self.workstation.root / f"{path}.txt").read_text("utf-8")
        words: list[str] = re.findall(r"(?m)^ ?\d+\. ([a-z]+)$", sheet)
        return words[int(re.findall(r"Word (\d+) on", shown)[-1]) - 1]

    def _carries_files(self) -> None:
        """Bring each new card, pairing file and pouch to the other machine."""
        exchange = self.server.root / _EXCHANGE
        if not exchange.is_dir():
            return  # the program was removed from the server
        homes = [self.workstation.root / "home" / account for account in self.accounts]
        for home in homes:
            for path in home.glob("*.pairing"):
                name = path.name if len(path.stem) < len("werkstation-1x") else "REBUILT.pairing"
                shutil.copy(path, exchange / name)  # with its mode, as root and as scp do
            for path in exchange.glob("card"):
                shutil.copy(path, home / path.name)
            for path in home.glob(".ssh/id_ed25519.pub"):
                self.notes["KEY"] = path.read_text("ascii").strip()
        for folder, other in (
            (exchange, self.workstation.root / STICK),
            (self.workstation.root / STICK, exchange),
        ):
            for path in folder.glob("pouch-*"):
                if not (other / path.name).exists():
                    _carry(path, other / path.name)

    def _publishes_sources(self) -> None:
        """Make the git repository whose address the manual calls ADDRESS."""
        bare = self.elsewhere / "bare"
        subprocess.run(["git", "clone", "--quiet", "--bare", f"file://{ROOT}", bare], check=True)
        shutil.copytree(bare, self.workstation.root / _REPOSITORY)  # git would follow the link of /proc

    def _has_made_packages(self) -> None:
        """Put the packages where `make deb` puts them. They were made where there is a network."""
        dist = self.workstation.root / _SOURCES / "dist"
        dist.mkdir(exist_ok=True)
        is_first = not list(dist.iterdir())
        package = (self._packages if is_first else self._newer).workstation
        _carry(package, dist / package.name)

    def _brings_packages_to_server(self) -> None:
        for packages in (self._packages, self._newer):
            _carry(packages.server, self.server.root / _EXCHANGE / packages.server.name)

    def _writes_password(self) -> None:
        self.server.does("tee", "/var/lib/steunpunt/mail-password", text="a password")

    def _names_certificate_for_caddy(self) -> None:
        """Name a certificate in the Caddyfile as its comment says, and let this machine find the site."""
        root = self.server.root
        certify(self.elsewhere, self.elsewhere / "certificate")
        self.server.does("mkdir", "--parents", f"/{CERTIFICATE}", f"/{_AUTHORITIES}")
        for path in (self.elsewhere / "certificate").iterdir():
            _carry(path, root / CERTIFICATE / path.name)
        _carry(self.elsewhere / "authority.pem", root / _AUTHORITIES / "test.crt")
        self.server.does("update-ca-certificates")
        with (root / "etc/hosts").open("a", encoding="ascii") as hosts:
            hosts.write("127.0.0.1 mailbox.example.org\n")
        path = root / "etc/caddy/Caddyfile"
        path.write_text(path.read_text("utf-8").replace("\ttls {", f"\ttls {_CERTIFICATE} {{"), "utf-8")

    def _gets_certificate_for_nginx(self) -> None:
        """Free the ports that Caddy has. The test's certificate is where `certbot` puts one."""
        self.server.does("systemctl", "stop", "caddy")

    def _begins_workstation(self) -> None:
        """Bring the keyring of the newest workstation to another one: another account on this machine."""
        stick = self.workstation.root / STICK
        for path in stick.glob("*.age"):
            path.unlink()
        home = self.workstation.root / "home" / self.accounts[-1]
        (newest,) = (home / "steunpunt/var/keyring-backups").glob("*.age")
        _carry(newest, stick / newest.name)
        self.adds_adviser(f"{ADVISER}{len(self.accounts) + 1}")
        self._carries_files()

    def _lets_debian_delete_the_desk(self) -> None:
        answer = "steunpunt-server steunpunt-server/delete-desk boolean true\n"
        self.server.does("debconf-set-selections", text=answer)

    def _damages_keyring(self) -> None:
        (self.workstation.root / "home" / ADVISER / "steunpunt/var/keyring.age").write_bytes(b"damaged")

    def _begins_new_server(self) -> None:
        """Install the package on another server, and bring the newest backup with the key that opens it."""
        assert self.new_server is not None
        self.types("new server", "apt-get install ./steunpunt-server_*.deb", "Install the program")
        exchange, name = self.new_server.root / _EXCHANGE, self.notes["backup-DAY"]
        shutil.copytree(self.server.root / _BACKUPS / name, exchange / name)
        shutil.copy(self.elsewhere / "backup.key", exchange)

    def _empties_new_server(self) -> None:
        assert self.new_server is not None
        self.new_server.does("sh", "-c", "rm -rf /var/lib/steunpunt/var /var/lib/tor/steunpunt-*")

    def _gets_key_of_recipient(self) -> None:
        home = self.elsewhere / "gnupg"
        home.mkdir(mode=0o700)
        gpg = [
            "gpg",
            "--homedir",
            home,
            "--batch",
            "--quiet",
            "--pinentry-mode",
            "loopback",
            "--passphrase",
            "",
        ]
        subprocess.run(
            [*gpg, "--quick-generate-key", "A recipient", "default", "default", "never"], check=True
        )
        key = subprocess.run([*gpg, "--armor", "--export"], check=True, capture_output=True).stdout
        (self.workstation.root / "home" / ADVISER / "sg.asc").write_bytes(key)
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=True)

    def adds_adviser(self, account: str) -> None:
        """Add an account, and log in on the desktop, so that the account has a systemd of its own."""
        self.workstation.does("useradd", "--create-home", "--shell", "/bin/bash", account)
        self.workstation.does("loginctl", "enable-linger", account)
        self.accounts.append(account)


def _carry(path: Path, copy: Path) -> None:
    copy.write_bytes(path.read_bytes())
    copy.chmod(0o644)


def _enter(machine: DebianMachine, folder: str = "/root") -> list[str]:
    target = machine.root.parent.name
    variables = ("TERM=xterm", "LC_ALL=C.UTF-8", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", _NO_DIALOGS)
    inside = ["nsenter", f"--target={target}", "--all", "--root", "--wd"]
    return [*inside, "env", f"--chdir={folder}", "--ignore-environment", *variables]
