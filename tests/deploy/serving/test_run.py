"""`steunpunt run` starts both interfaces and the sweeper. The tests look at them from outside."""

import html
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from urllib.parse import urlencode

import pytest

from bench import desk_servers
from deploy.exit_codes import ExitCode
from deploy.settings.load_settings import load_config
from source_app.config import SourceConfig
from tests.deploy.servers import ROOT, free_address

pytestmark = pytest.mark.slow

CANARY = "zwartekanarie"
SHOWN = re.compile(r"(?m)^    ([a-z]+(?: [a-z]+){6,7})$")
FORM = re.compile(r"(?s)<form.*?</form>")
FIELD = re.compile(r'<input[^>]*type="hidden"[^>]*>')
WORKER_BYTES_AT_REST = 84_000_000  # 78 MB after a page in one language, 80 MB after all tests of this file


@dataclass
class RunningCommand:
    """Running `steunpunt run`, and its output."""

    process: subprocess.Popen[bytes]
    folder: Path
    source: tuple[str, int]
    adviser: tuple[str, int]
    said: Path

    def children(self, argument: str) -> list[int]:
        """Return the processes of one part, its master first."""
        return sorted(pid for pid in _descendants(self.process.pid) if argument in _arguments(pid))

    def passphrase(self) -> str:
        (shown,) = SHOWN.findall(self.said.read_text())
        return str(shown)


@contextmanager
def _running(folder: Path, source: tuple[str, int], adviser: tuple[str, int]) -> Iterator[RunningCommand]:
    said = folder.parent / "said"
    binds = [
        f"--{name}-bind={host}:{port}" for name, (host, port) in (("source", source), ("adviser", adviser))
    ]
    command = [sys.executable, "-m", "deploy.cli.main", "--settings", folder / "config.toml"]
    with said.open("wb") as sink:
        set_up = [*command, "setup", "--print-passphrase", *binds]
        subprocess.run(set_up, stdout=sink, stderr=sink, cwd=ROOT, check=True)
        process = subprocess.Popen([*command, "run"], stdout=sink, stderr=sink, cwd=ROOT)
    try:
        assert _comes_true(lambda: "Ctrl-C" in said.read_text() or process.poll() is not None, seconds=180)
        yield RunningCommand(process, folder, source, adviser, said)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=40)
        _forget_memory(folder)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCommand]:
    """Run one desk for all tests that leave it running."""
    folder = tmp_path_factory.mktemp("shared") / "var"
    with _running(folder, free_address(), free_address()) as running:
        yield running


@pytest.fixture
def own(tmp_path: Path) -> Iterator[RunningCommand]:
    """Run a desk that the test alone uses, so that the test may stop or damage it."""
    desk = desk_servers.set_up(tmp_path / "var")
    with _running(desk.settings.parent, desk.address("source"), desk.address("adviser")) as running:
        yield running


class MinimalBrowser:
    """A minimal browser: it keeps cookies and sends forms."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address
        self.cookies: dict[str, str] = {}

    def get(self, path: str) -> tuple[HTTPResponse, str]:
        return self._ask("GET", path, None)

    def post(self, path: str, page: str, **fields: str) -> tuple[HTTPResponse, str]:
        """Send the page's form for this path, with its hidden fields and the typed values."""
        hidden = {}
        forms = [form for form in FORM.findall(page) if f'action="{path}"' in form or "action=" not in form]
        for tag in FIELD.findall("".join(forms[:1])):
            attributes = dict(re.findall(r'(\w+)="([^"]*)"', tag))
            hidden[attributes["name"]] = html.unescape(attributes.get("value", ""))
        return self._ask("POST", path, urlencode({**hidden, **fields}))

    def _ask(self, method: str, path: str, body: str | None) -> tuple[HTTPResponse, str]:
        connection = HTTPConnection(*self.address, timeout=60)
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        text = response.read().decode()
        for cookie in response.headers.get_all("Set-Cookie", []):
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        connection.close()
        return response, text


# ---- starting and stopping -------------------------------------------------------------------------


def test_the_first_run_prints_both_addresses_and_shows_the_passphrase_once(tmp_path: Path) -> None:
    folder, source, adviser = tmp_path / "var", free_address(), free_address()
    with _running(folder, source, adviser) as first:
        said = first.said.read_text()
    assert "http://{}:{}".format(*source) in said
    assert "http://{}:{}".format(*adviser) in said
    assert len(SHOWN.findall(said)) == 1

    with _running(folder, source, adviser) as again:
        assert "Ctrl-C" in again.said.read_text()
        assert SHOWN.findall(again.said.read_text()) == []


def _ended_run(settings: Path, *options: str, status: ExitCode) -> str:
    """Run `steunpunt run`, which must end by itself. Return everything that it and its parts printed."""
    command = [sys.executable, "-m", "deploy.cli.main", "--settings", settings, "run", *options]
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        timeout=120,
        check=False,
    )
    assert done.returncode == status
    return done.stdout


def test_a_fault_that_all_parts_share_is_printed_once(tmp_path: Path) -> None:
    desk = desk_servers.set_up(tmp_path / "var")
    desk.path("source", "store_path").unlink()

    assert 1 == _ended_run(desk.settings, status=ExitCode.STORE).count("The store's file is missing")


def test_an_unsafe_state_is_refused_once_and_nothing_starts(tmp_path: Path) -> None:
    desk = desk_servers.set_up(tmp_path / "var")
    desk.path("source", "store_path").chmod(0o644)

    said = _ended_run(desk.settings, "--refuse-unsafe", status=ExitCode.UNSAFE)

    assert 1 == said.count("Other users can read or change")
    assert "interface" not in said


def test_an_unsafe_state_is_one_warning_of_all_parts_together(tmp_path: Path) -> None:
    desk = desk_servers.set_up(tmp_path / "var")
    desk.path("source", "store_path").chmod(0o644)

    with _running(desk.settings.parent, desk.address("source"), desk.address("adviser")) as running:
        said = running.said.read_text()

    assert 1 == said.count("Warning: Other users can read or change")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_cleanly_and_leaves_nothing_running(own: RunningCommand, how: signal.Signals) -> None:
    parts = _descendants(own.process.pid)

    own.process.send_signal(how)

    assert own.process.wait(timeout=40) == 0
    assert "Traceback" not in own.said.read_text()
    assert len(parts) >= 6
    assert [pid for pid in parts if _is_running(pid)] == []


def test_a_service_manager_that_signals_every_process_stops_them_cleanly(own: RunningCommand) -> None:
    """Systemd sends SIGTERM to each process of a service."""
    parts = _descendants(own.process.pid)
    for pid in [own.process.pid, *parts]:
        with suppress(ProcessLookupError):  # a part may have ended before its own signal
            os.kill(pid, signal.SIGTERM)

    assert own.process.wait(timeout=40) in {
        0,
        1,
    }  # the command may notice the end of a part before its own signal
    assert "Traceback" not in own.said.read_text()
    assert [pid for pid in parts if _is_running(pid)] == []


@pytest.mark.parametrize(
    ("part", "name"),
    [("source", "source's interface"), ("adviser", "adviser's interface"), ("sweeper", "sweeper")],
)
def test_when_a_part_ends_the_others_are_stopped_and_it_says_so(
    own: RunningCommand, part: str, name: str
) -> None:
    parts = _descendants(own.process.pid)

    os.kill(own.children(part)[0], signal.SIGKILL)

    assert own.process.wait(timeout=40) == 1
    assert f"The {name} ended by itself, so everything was stopped." in own.said.read_text()
    assert _comes_true(lambda: not any(_is_running(pid) for pid in parts), seconds=10)


def test_when_the_command_itself_is_killed_nothing_is_left_running(own: RunningCommand) -> None:
    parts = _descendants(own.process.pid)

    own.process.send_signal(signal.SIGKILL)

    assert _comes_true(lambda: not any(_is_running(pid) for pid in parts), seconds=20)


def test_a_killed_worker_is_replaced_and_sessions_stay_open(shared: RunningCommand) -> None:
    workers = shared.children("source")[1:]
    for pid in workers:
        os.kill(pid, signal.SIGKILL)

    response, _ = MinimalBrowser(shared.source).get("/en/")

    assert response.status == 200
    assert _comes_true(lambda: len(shared.children("source")) == 1 + len(workers), seconds=10)


# ---- what they give away ---------------------------------------------------------------------------


@pytest.mark.parametrize("interface", ["source", "adviser"])
def test_no_answer_names_the_server_program(shared: RunningCommand, interface: str) -> None:
    for path in ("/", "/en/", "/nothing-here", "/static/nothing"):
        response, _ = MinimalBrowser(getattr(shared, interface)).get(path)

        assert response.headers["Server"] is None
        assert response.headers["ETag"] is None
        assert response.headers["Last-Modified"] is None


def test_the_log_holds_nothing_that_was_typed_or_sent(shared: RunningCommand) -> None:
    visitor = MinimalBrowser(shared.source)
    _, page = visitor.get("/en/log-in")
    visitor.post("/en/log-in", page, passphrase=f"{CANARY} " * 7)
    visitor.post(f"/en/{CANARY}", page, **{CANARY: CANARY})
    visitor.get(f"/en/?{CANARY}={CANARY}")
    adviser = MinimalBrowser(shared.adviser)
    _, page = adviser.get("/unlock")
    adviser.post("/unlock", page, passphrase=CANARY)
    for host, port in (shared.source, shared.adviser):
        for raw in (
            f"{CANARY}\r\n\r\n",
            f"GET /{CANARY} HTTP/1.1\r\nHost: {CANARY}\r\nUser-Agent: {CANARY}\r\nReferer: {CANARY}\r\n\r\n",
            f"GET / HTTP/1.1\r\n{CANARY} : {CANARY}\r\n\r\n",
            (
                f"POST /en/log-in HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 900\r\n"
                f"Content-Type: multipart/form-data; boundary={CANARY}\r\n\r\n--{CANARY}\r\n{CANARY}"
            ),
            f"POST /unlock HTTP/1.1\r\nHost: {host}:{port}\r\nTransfer-Encoding: {CANARY}\r\n\r\n{CANARY}",
        ):
            with socket.create_connection((host, port), timeout=60) as client:
                client.sendall(raw.encode())
                client.shutdown(socket.SHUT_WR)
                while client.recv(65536):
                    pass

    said = shared.said.read_text()
    assert CANARY not in said.lower()
    assert re.search(r"refused an invalid request", said)  # it does log
    assert not re.search(r"\d\d:\d\d:\d\d", said)


# ---- the adviser's lock ----------------------------------------------------------------------------


def test_locking_ends_the_process_that_held_the_keys(shared: RunningCommand) -> None:
    visitor = MinimalBrowser(shared.adviser)
    _, page = visitor.get("/unlock")
    response, _ = visitor.post("/unlock", page, passphrase=shared.passphrase())
    assert response.status == 303
    response, inbox = visitor.get("/inbox")
    assert response.status == 200
    (_, holder) = shared.children("adviser")

    response, _ = visitor.post("/lock", inbox)

    assert response.status == 303
    assert _comes_true(lambda: not _is_running(holder), seconds=10)
    assert _comes_true(lambda: len(shared.children("adviser")) == 2, seconds=10)
    response, _ = visitor.get("/inbox")
    assert (response.status, response.headers["Location"]) == (303, "/unlock")
    assert holder not in shared.children("adviser")


# ---- memory ----------------------------------------------------------------------------------------


def test_a_workers_memory_at_rest_is_modest(shared: RunningCommand) -> None:
    MinimalBrowser(shared.source).get("/en/")

    resident = [_resident_bytes(pid) for pid in shared.children("source")[1:]]

    assert resident
    assert max(resident) < WORKER_BYTES_AT_REST


# ---- looking at processes --------------------------------------------------------------------------


def _arguments(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    except OSError:
        return []


def _descendants(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [each for child in map(int, children) for each in (child, *_descendants(child))]


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _resident_bytes(pid: int) -> int:
    # Not `smaps_rollup`, which only root may read of a program that protects its memory.
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _forget_memory(folder: Path) -> None:
    if (folder / "config.toml").exists():
        config = load_config(folder / "config.toml", "source", SourceConfig)
        shutil.rmtree(config.sessions_path.parent, ignore_errors=True)


def _comes_true(condition: Callable[[], bool], *, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.1)
    return False
