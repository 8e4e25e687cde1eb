"""A desk with running servers on this machine: in its own folder, both interfaces on free ports.

    with processes.folder_on_disk() as folder:
        desk = set_up(folder)
        with serve_all(desk) as servers:
            servers.source.port, servers.adviser.port, desk.passphrase

To measure a full store, fill it between the two steps. Only processes that were started here are ended.
"""

import atexit
import contextlib
import functools
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import processes
from bench.processes import Server
from deploy.hardening import TMPFS

SOURCE_HOST, ADVISER_HOST = "127.0.0.1", "127.0.0.2"  # cookies ignore ports
_COMMAND = (sys.executable, "-m", "deploy.cli.main")
_PASSPHRASE = re.compile(r"^ +([a-z]+(?: [a-z]+)+)$", re.MULTILINE)


class NotSetUpError(Exception):
    """The setup command failed, or printed no passphrase. The message is its error output."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Desk that `steunpunt setup` created."""

    settings: Path
    passphrase: str = field(repr=False)

    def section(self, name: str) -> Mapping[str, Any]:
        """Return one section of the settings file."""
        found: Mapping[str, Any] = tomllib.loads(self.settings.read_text("utf-8"))[name]
        return found

    def path(self, section: str, name: str) -> Path:
        """Return a path of the settings. A relative path starts at the settings file."""
        return self.settings.parent / str(self.section(section)[name])

    def address(self, section: str) -> tuple[str, int]:
        """Return the host and the port that an interface binds to."""
        host, _, port = str(self.section(section)["bind"]).rpartition(":")
        return host, int(port)


@dataclass(frozen=True, slots=True)
class DeskServers:
    """Desk with both interfaces running."""

    desk: Desk
    source: Server
    adviser: Server


def set_up(folder: Path, overrides: Mapping[str, int] | None = None) -> Desk:
    """Create a desk with an empty store in `folder`, on ports that are free now.

    Setup takes three seconds of one core, so each process runs it once. All desks of a process have the same
    keys, but each has its own store, ports and folder for sessions. `overrides` replaces numbers of the
    settings file, in every section that has the key.

    Raises:
        NotSetUpError: the command failed.
    """
    original = _desk_of_this_process()
    shutil.copytree(original.settings.parent, folder, dirs_exist_ok=True)
    settings = folder / original.settings.name
    text = settings.read_text("utf-8")
    in_memory = f"steunpunt-{secrets.token_hex(8)}"
    atexit.register(shutil.rmtree, Path(TMPFS) / in_memory, ignore_errors=True)  # servers leave it there
    text = re.sub(r"/steunpunt-[0-9a-f]{16}/", f"/{in_memory}/", text)
    for section, host in (("source", SOURCE_HOST), ("adviser", ADVISER_HOST)):
        here, there = original.address(section), (host, processes.free_port(host))
        text = text.replace("{}:{}".format(*here), "{}:{}".format(*there))
    for name, value in (overrides or {}).items():
        text = re.sub(rf"^{name} = .*$", f"{name} = {value}", text, flags=re.MULTILINE)
    settings.write_text(text, "utf-8")
    return Desk(settings, original.passphrase)


@functools.cache
def _desk_of_this_process() -> Desk:
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    settings = folder / "var" / "config.toml"
    ports = [
        f"--source-bind={SOURCE_HOST}:{processes.free_port(SOURCE_HOST)}",
        f"--adviser-bind={ADVISER_HOST}:{processes.free_port(ADVISER_HOST)}",
    ]
    done = subprocess.run(
        [*_COMMAND, "--settings", settings, "setup", "--print-passphrase", *ports],
        check=False,
        capture_output=True,
        text=True,
    )
    found = _PASSPHRASE.search(done.stdout)
    if done.returncode or found is None:
        raise NotSetUpError(done.stderr[-2000:])
    return Desk(settings, found[1])


@contextlib.contextmanager
def serve_all(desk: Desk) -> Iterator[DeskServers]:
    """Run both interfaces and the clean-up process, and stop them afterwards."""
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(serving(desk, "source"))
        adviser = stack.enter_context(serving(desk, "adviser"))
        stack.enter_context(sweeping(desk))
        yield DeskServers(desk, source, adviser)


def sweeping(desk: Desk) -> contextlib.AbstractContextManager[object]:
    """Run the clean-up process, and stop it afterwards."""
    return processes.running([*_COMMAND, "--settings", str(desk.settings), "run", "sweeper"])


def run_command(settings: Path, *words: str | Path, typed: str = "") -> None:
    """Run a command that must succeed. `typed` is the line that someone types.

    Raises:
        NotSetUpError: the command failed.
    """
    done = subprocess.run(
        [*_COMMAND, "--settings", settings, *words],
        input=f"{typed}\n",
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,  # without a terminal the passphrase is read from `input`
    )
    if done.returncode:
        raise NotSetUpError(done.stderr[-2000:])


@contextlib.contextmanager
def serving(desk: Desk, interface: str) -> Iterator[Server]:
    """Run one interface, `source` or `adviser`, and stop it afterwards."""
    host, port = desk.address(interface)
    argv = [*_COMMAND, "--settings", str(desk.settings), "run", interface]
    with processes.serving(argv, host, port) as server:
        yield server
