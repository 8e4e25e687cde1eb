"""Blocks of commands in the manuals, and the machine on which a reader runs each block.

A block of commands begins with ```sh and the machine: `server` (as root), `workstation` (as the adviser),
`workstation root`, `elsewhere` (a third machine), `new server` or `new workstation` (in place of another).
A block with ```toml and a machine has settings. A block with ```python, a machine and a path is a file.
Tests in tests/deploy type the blocks for a `server on PostgreSQL`, and those for two `source servers`. A test
in tests/proofs/packages types the block for a server `with a remote database`.
"""

import re
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"(?m)^( *)```(.*)\n((?:.*\n)*?)\1```$")
_PLACES = {"server", "workstation", "workstation root", "elsewhere", "new server", "new workstation"}

# First words of the lines that no test runs, with the reason. A block without a machine begins like this.
NOT_RUN = {
    "make -C": "a booted machine of a test has no network: build_once() runs `make deb` where there is one",
    "apt-get install age": "in a test, the third machine is the machine that runs it, and has age already",
    "[backup]": "an example: the set-up has written the same setting",
    "ttl: ": "tests/proofs/cluster gives these settings to Patroni on machines of its own",
    "apt-get install nginx certbot": "a booted machine of a test has no network, and has nginx already",
    "certbot certonly": "a booted machine of a test reaches no authority, and has a test's certificate",
}


# Lines for a server on PostgreSQL that no test types, with the reason. Their test boots no machine.
NOT_RUN_ON_POSTGRESQL = {
    "apt-get install postgresql": "the machine of the tests has Debian's PostgreSQL, and maybe no network",
    "systemctl reload postgresql": "the test reloads a database server of its own, with pg_reload_conf()",
    "systemctl stop steunpunt.target": "the server of the test runs no program",
    "systemctl start steunpunt.target": "the server of the test has no units",
}
# Lines for two source servers that no test types, with the reason. Their test boots no machine.
NOT_RUN_ON_SOURCE_SERVERS = {
    "apt-get install haproxy": "the machine of the tests has Debian's HAProxy, and maybe no network",
    "systemctl mask steunpunt-sync steunpunt-backup.timer": "the servers of the test have no units",
    "systemctl restart haproxy": "the test starts HAProxy in a chroot, with the command of Debian's unit",
    "systemctl restart haproxy steunpunt.target": "the test starts both programs without units",
    "steunpunt onion setup": "tests/tor gives Tor the lines that this command writes",
}
# Lines for PostgreSQL that a test types, and that may end with exit status 3, with the reason.
FINDS_FAULTS_ON_POSTGRESQL = {
    "steunpunt check": "no program runs, and the check says so. The test looks for the line about the store"
}


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a manual. `kind` is the text after the first fence, such as "sh server"."""

    at: str
    section: str
    kind: str
    lines: tuple[str, ...]

    @property
    def is_run(self) -> bool:
        """Return True if a test types the lines on a machine, or writes them to a file of this machine."""
        language, _, place = self.kind.partition(" ")
        return language in {"sh", "toml", "python"} and place.split(" /")[0] in _PLACES

    @property
    def is_on_postgresql(self) -> bool:
        """Return True if the lines are for a server that moves to PostgreSQL."""
        return self.kind.endswith(" server on PostgreSQL")

    @property
    def is_of_remote_database(self) -> bool:
        """Return True if the lines are for a server whose database is on another machine."""
        return self.kind.endswith(" server with a remote database")

    @property
    def is_for_source_servers(self) -> bool:
        """Return True if the lines are for one of two source servers, or for both."""
        return self.kind.endswith((" source server", " source servers"))

    @property
    def run_lines(self) -> list[str]:
        """Return the lines that a test runs."""
        return [line for line in self.lines if not line.startswith(tuple(NOT_RUN))] if self.is_run else []


def read_blocks(manual: str) -> list[Block]:
    """Return all fenced blocks of a manual in docs/, in their order."""
    text = (_ROOT / "docs" / manual).read_text("utf-8")
    return [_block(manual, text, found) for found in _BLOCK.finditer(text)]


def _block(manual: str, text: str, found: re.Match[str]) -> Block:
    before = text[: found.start()]
    headings = re.findall(r"(?m)^#+ (.*)$", before)
    lines = tuple(line.removeprefix(found[1]) for line in found[3].splitlines())
    return Block(f"docs/{manual}:{before.count(chr(10)) + 1}", headings[-1], found[2], lines)
