"""Two source servers on one database, and HAProxy in front of them as docs/operator.md says. Needs root."""

import os
import re
import secrets
import shutil
import signal
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench import memory
from deploy.serving.try_again_page import try_again_page
from deploy.settings.load_settings import load_config
from deploy.settings.settings_text import with_key
from source_app.config import SourceConfig
from tests.deploy.servers import ROOT, comes_true, end, free_address, start, wait_for, wait_for_socket
from tests.deploy.sites.proxied_sites import SITES, ProxiedSite, readable_by_all
from tests.deploy.two_machines import Machine
from tests.docs.manual_blocks import NOT_RUN_ON_SOURCE_SERVERS, Block, read_blocks

_CHROOT = ROOT / "tests/deploy/sites/chroot.sh"
_HAPROXY = ["haproxy", "-W", "-f", "/etc/haproxy/haproxy.cfg"]
_PROXY_SOCKET = "/run/steunpunt/proxy.sock"


@dataclass(frozen=True)
class TwoSourceServers:
    """Two source servers, and the HAProxy of each, which runs. `sites` has the source servers that run."""

    first: Machine
    second: Machine
    folder: Path
    web: tuple[str, int]
    proxy: subprocess.Popen[bytes]
    second_proxy: subprocess.Popen[bytes]
    between: tuple[str, int]
    sites: dict[Machine, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def socket(self) -> Path:
        """Return the socket through which Tor reaches HAProxy in its chroot."""
        return Path(f"/proc/{self.proxy.pid}/root{_PROXY_SOCKET}")

    def start(self) -> None:
        """Start the source servers that do not run, and wait until HAProxy sends visitors to both."""
        for machine in {self.first, self.second} - self.sites.keys():
            self.wait_for(machine, "DOWN")  # otherwise, its last word may be about the server before
            with (self.folder / f"site {secrets.token_hex(4)}").open("wb") as said:
                self.sites[machine] = start(machine, said.fileno(), "source")
        for machine in self.sites:
            self.wait_for(machine, "UP")

    def kill(self, machine: Machine) -> None:
        """End a source server as a crash does. HAProxy does not know it yet."""
        process = self.sites.pop(machine)
        for part in parts_of(process):
            os.kill(part, signal.SIGKILL)
        process.wait()

    def wait_for(self, machine: Machine, state: str) -> None:
        """Wait until the last word of HAProxy about a server is UP or DOWN."""
        name = "onion/a" if machine is self.first else "onion/b"
        assert comes_true(lambda: re.findall(f"Server {name} is (UP|DOWN)", self.said())[-1:] == [state])

    def said(self) -> str:
        """Return what the HAProxy of the first server said."""
        return (self.folder / "first proxy" / "output").read_text("utf-8")

    def written(self) -> dict[str, bytes]:
        """Return each file that a HAProxy wrote or has open, and its output."""
        return {
            f"{name} {path}": content
            for name, process in (("first proxy", self.proxy), ("second proxy", self.second_proxy))
            for path, content in ProxiedSite(process, self.folder / name).written().items()
        }


@contextmanager
def two_source_servers(first: Machine, second: Machine, folder: Path) -> Iterator[TwoSourceServers]:
    """Follow the manual for two source servers on one database, and start both HAProxys."""
    web, between = free_address(), free_address()
    first_site, second_site = (
        load_config(machine.settings, "source", SourceConfig).bind for machine in (first, second)
    )
    folders = {"first": folder / "first proxy", "second": folder / "second proxy"}
    with readable_by_all():
        for place in folders.values():
            _make_files(place / "files")
        blocks = [block for block in read_blocks("operator.md") if block.is_for_source_servers]
        for block in blocks:
            for name, machine in (("first", first), ("second", second)):
                if block.kind.split(" ")[1] in {name, "both"}:
                    _follow(block, machine, folders[name] / "files")
            if "both" in block.kind:
                _carry_certificates(*folders.values())
    _change(
        folders["first"],
        {
            "192.0.2.2:8443": "{}:{}".format(*between),
            "127.0.0.1:8080": first_site,
            "127.0.0.1:8090": "{}:{}".format(*web),
            # The tests wait less.
            "inter 2s": "inter 200ms",
            "timeout connect 5s": "timeout connect 2s",
            "timeout server 90s": "timeout server 10s",
        },
    )
    _change(folders["second"], {":8443": "{}:{}".format(*between), "127.0.0.1:8080": second_site})
    with ExitStack() as stack:
        processes = [_start_proxy(stack, place) for place in folders.values()]
        wait_for(*between, processes[1])
        wait_for(*web, processes[0])
        made = TwoSourceServers(first, second, folder, web, *processes, between)
        wait_for_socket(made.socket, processes[0])
        made.wait_for(first, "DOWN")
        made.wait_for(second, "DOWN")
        try:
            yield made
        finally:
            for machine in [*made.sites]:
                made.kill(machine)
            for machine in (first, second):
                folder = load_config(machine.settings, "source", SourceConfig).sessions_path.parent
                shutil.rmtree(folder, ignore_errors=True)  # no server may have run


def parts_of(process: subprocess.Popen[bytes]) -> list[int]:
    """Return the process ids of a program and of all processes that it started."""
    parts = [process.pid]
    for part in parts:  # the list grows
        parts += memory.children(part)
    return parts


def _make_files(files: Path) -> None:
    shutil.copytree(SITES, files / SITES.relative_to(ROOT / "deploy/debian/server"))
    (files / "usr/share/steunpunt/sites/try-again.html").write_text(try_again_page(), "utf-8")
    for name in ("etc/haproxy", _PROXY_SOCKET.rpartition("/")[0].strip("/")):
        (files / name).mkdir(parents=True)


def _follow(block: Block, machine: Machine, files: Path) -> None:
    """Type the lines of a block on a machine, with the paths of this test."""
    for line in block.lines:
        if line in NOT_RUN_ON_SOURCE_SERVERS:
            continue
        if block.kind.startswith("toml"):
            for section, values in tomllib.loads("\n".join(block.lines)).items():
                set_in(machine, section, **values)
        elif line.startswith("steunpunt "):
            machine.does(*line.split()[1:])
        else:
            here = re.sub(r"(?<= )/(?=etc/haproxy|usr/share)", f"'{files}'/", line)
            assert here != line
            subprocess.run(["bash", "-c", here], check=True, capture_output=True)


def set_in(machine: Machine, section: str, **values: str) -> None:
    """Change text settings in a section of a machine's settings."""
    text = machine.settings.read_text("utf-8")
    for key, value in values.items():
        assert f"\n{key} = " in text
        text = with_key(text, section, key, value)
    machine.settings.write_text(text, "utf-8")


def _carry_certificates(*folders: Path) -> None:
    for here, there in (folders, folders[::-1]):
        shutil.copy(here / "files/etc/haproxy/own.pem", there / "files/etc/haproxy/other.pem")


def _change(folder: Path, addresses: dict[str, str]) -> None:
    """Give a HAProxy the addresses of the test: both servers are on one machine."""
    settings = folder / "files/etc/haproxy/haproxy.cfg"
    text = settings.read_text("utf-8")
    for there, here in addresses.items():
        assert there in text
        text = text.replace(there, here)
    settings.write_text(text, "utf-8")


def _start_proxy(stack: ExitStack, folder: Path) -> subprocess.Popen[bytes]:
    with (folder / "output").open("wb") as output:
        start_it = ["unshare", "--mount", _CHROOT, folder, *_HAPROXY]
        process = subprocess.Popen(start_it, stdout=output, stderr=output)
    stack.callback(end, process)
    return process
