"""P1 (a stolen server is worthless): its disk, logs and memory disk contain nothing readable."""

import base64
import contextlib
import os
import re
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import desk_servers, processes
from tests.proofs.http_clients import AdviserClient, SourceClient, file_links
from tests.proofs.proof_sizes import print_result

pytestmark = pytest.mark.slow

# Every file and folder that may be in var/ while the mailbox is in use. docs/operator.md describes each.
DOCUMENTED_FILES = {
    "config.toml",
    "store.db",
    "store.db-wal",
    "store.db-shm",
    "letterhead-serial",
    "keyring.age",
    "keyring-backups/",
    "last-rewrite",
    "trusted-state.age",
    "store-check.age",
}


def _spellings(canary: bytes) -> Iterator[bytes]:
    """Yield a secret in the encodings in which a program might have written it."""
    text = canary.decode()
    yield canary
    yield text.encode("utf-16-le")
    yield text.encode("utf-16-be")
    yield canary.hex().encode()
    yield canary.hex().upper().encode()
    for shift in range(3):  # base64 depends on where the secret starts in a group of three bytes
        encoded = base64.b64encode(bytes(shift) + canary + bytes(3))
        yield encoded[4:-8]
        yield encoded[4:-8].replace(b"+", b"-").replace(b"/", b"_")
    yield "".join(f"%{byte:02X}" for byte in canary).encode()
    yield text.replace(" ", "+").encode()
    yield text.replace(" ", "%20").encode()
    yield text.replace(" ", "-").encode()


def _contents(folder: Path, since: float) -> Iterator[tuple[Path, bytes]]:
    """Yield the contents of the files in a folder that were written since a time.

    Ignores files that disappear, because other programs create and remove files in the meantime.
    """
    for place, folders, names in os.walk(folder):
        folders[:] = [
            name for name in folders if not name.startswith("pytest-of-")
        ]  # passphrases and texts of other tests
        for name in names:
            path = Path(place, name)
            with contextlib.suppress(OSError):
                if path.is_file() and path.stat().st_mtime >= since:
                    yield path, path.read_bytes()


def _findings(folders: list[Path], canaries: dict[str, bytes], since: float = 0) -> list[tuple[str, str]]:
    wanted = [(name, spelling) for name, canary in canaries.items() for spelling in set(_spellings(canary))]
    found = []
    for folder in folders:
        for path, content in _contents(folder, since):
            found += [(name, str(path)) for name, spelling in wanted if spelling in content]
            found += [
                (name, f"name of {path}") for name, spelling in wanted if spelling in path.name.encode()
            ]
    return found


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[tuple[Path, Path, desk_servers.Desk]]:
    """Set up a desk with separate folders for var/, temporary files and logs."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    logs = tmp_path / "logs"
    logs.mkdir()
    return temporary, logs, desk_servers.set_up(tmp_path / "var")


def _serve(desk: desk_servers.Desk, logs: Path, temporary: Path, *arguments: str) -> subprocess.Popen[bytes]:
    with (logs / f"{'-'.join(arguments)}.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "deploy.cli.main", "--settings", str(desk.settings), *arguments],
            stdout=log,
            stderr=log,
            env={**os.environ, "TMPDIR": str(temporary)},
        )


def test_the_search_finds_a_secret_in_every_encoding(tmp_path: Path) -> None:
    secret = b"zeer geheim verhaal"
    for number, spelling in enumerate(set(_spellings(secret))):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "leak").write_bytes(b"before" + spelling + b"after")
        assert _findings([folder], {"secret": secret}) != []


def test_a_stolen_server_holds_nothing_readable(
    scene: tuple[Path, Path, desk_servers.Desk], tmp_path: Path
) -> None:
    temporary, logs, desk = scene
    since = time.time() - 60
    canaries = {
        name: f"kanarie {name} {secrets.token_hex(12)}".encode()
        for name in ("text", "second text", "deleted text", "answer", "refused text")
    }
    contents = {name: secrets.token_hex(40_000).encode() for name in ("photo", "answering file")}
    canaries |= {name: content[5000:5064] for name, content in contents.items()}
    file_names = {
        "photo": f"bewijs-{secrets.token_hex(8)}.png",
        "answering file": f"antwoord-{secrets.token_hex(8)}.pdf",
    }
    canaries |= {f"name of {name}": file_name.encode() for name, file_name in file_names.items()}

    host, port = desk.address("source")
    adviser_host, adviser_port = desk.address("adviser")
    running = [
        _serve(desk, logs, temporary, *part)
        for part in (("run", "source"), ("run", "adviser"), ("run", "sweeper"))
    ]
    memory_disk = desk.path("source", "sessions_path").parent
    try:
        assert processes.listens(running[0], lambda: socket.create_connection((host, port), timeout=5))
        assert processes.listens(
            running[1], lambda: socket.create_connection((adviser_host, adviser_port), timeout=5)
        )
        with SourceClient(host, port) as source, AdviserClient(adviser_host, adviser_port) as adviser:
            passphrase = source.open_mailbox()
            canaries["passphrase"] = passphrase.encode()
            canaries["adviser's passphrase"] = desk.passphrase.encode()
            source.write(canaries["text"].decode(), {file_names["photo"]: contents["photo"]})
            deleted = source.write(canaries["deleted text"].decode())
            source.press(f"/en/mailbox/delete/{deleted}", f"/delete/{deleted}")
            form = source.write_form()
            refused = source.send(form, canaries["refused text"].decode() + " x" * 50_000)
            assert refused.status == 422
            adviser.unlock(desk.passphrase)
            (path,) = adviser.mailboxes()
            page = adviser.read(path)
            assert canaries["text"] in page.body
            link = file_links(page)[file_names["photo"]]
            assert adviser.browser.get(link).body == contents["photo"]
            answered = adviser.answer(
                path, canaries["answer"].decode(), {file_names["answering file"]: contents["answering file"]}
            )
            assert answered.status == 303
            thread = source.log_in(passphrase)
            assert canaries["answer"] in thread.body
            link = file_links(thread)[file_names["answering file"]]
            assert source.browser.get(link).body == contents["answering file"]
            source.write(canaries["second text"].decode())
            # While everything still runs, as a thief finds it who copies the disk.
            folders = [tmp_path / "var", temporary, logs, memory_disk, Path("/tmp")]  # noqa: S108  # a thief looks there too
            assert _findings(folders, canaries, since) == []
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(30)
    assert _findings(folders, canaries, since) == []
    left = {path.name + ("/" if path.is_dir() else "") for path in (tmp_path / "var").iterdir()}
    assert left <= DOCUMENTED_FILES
    assert list(temporary.iterdir()) == []
    print_result(
        f"stolen server: {len(canaries)} secrets, none found in var/, logs, memory disk or temporary folders"
    )


def test_the_operators_manual_describes_every_file_in_var() -> None:
    manual = Path("docs/operator.md").read_text("utf-8")
    assert {name for name in DOCUMENTED_FILES if not re.search(rf"`{re.escape(name)}`", manual)} == set()
