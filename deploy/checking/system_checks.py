"""Checks of the system: running programs, core dumps, swap space, and addresses of visitors in logs."""

import ipaddress
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from deploy.checking.check_results import CheckResult, Level, made_or_unknown
from deploy.checking.machine_files import MachineSettings
from deploy.checking.running_programs import RunningProgram

_RIGHT_USER = "Run this as the user who owns the store, or as root."
_DEVICES = Path("/sys/dev/block")
_SWAPS = Path("/proc/swaps")
_LOG_BYTES = 4_000_000  # of the end of each log
_JOURNAL_LINES = "20000"
_JOURNAL_SECONDS = 60
_ADDRESS = re.compile(
    r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.])|(?<![\w:.])[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]+[0-9A-Fa-f]"
)
_TO_ENCRYPT = (
    "Turn this swap space off, or encrypt it with a key that is thrown away: 'Keep memory off the disk'."
)


def make_system_checks(
    settings: MachineSettings, programs: Sequence[RunningProgram], log_paths: Sequence[Path]
) -> list[CheckResult]:
    """Return the results of all checks of the system."""
    owner = settings.path.parent.stat().st_uid
    return [
        *_running(settings, programs),
        *_core_dumps(programs),
        *made_or_unknown("swap", lambda: check_swap(_SWAPS.read_text("utf-8")), _RIGHT_USER),
        *made_or_unknown("journal", lambda: _journal(owner), _RIGHT_USER),
        *_named_logs(settings, log_paths),
        *(each for path in log_paths for each in made_or_unknown("logs", lambda: _log(path), _RIGHT_USER)),  # noqa: B023  # read at once
    ]


def _running(settings: MachineSettings, programs: Sequence[RunningProgram]) -> Iterator[CheckResult]:
    parts: dict[str, tuple[str, ...]] = {"sweeper": ("run", "sweeper")}
    if "source" in settings.sections:
        parts["source's interface"] = ("run", "source")
    for name, words in parts.items():
        if any(program.is_part(*words) for program in programs):
            yield CheckResult("running", Level.OK, f"The {name} runs.")
        else:
            state = f"The {name} does not run, or this user cannot see it."
            yield CheckResult("running", Level.FAULT, state, f"Start steunpunt {' '.join(words)}.")


def _core_dumps(programs: Sequence[RunningProgram]) -> Iterator[CheckResult]:
    dumping = sorted({" ".join(each.words[:2]) for each in programs if each.core_bytes != "0"})
    if dumping:
        state = f"These programs could leave a core dump, with keys in it: {', '.join(dumping)}."
        yield CheckResult("core_dumps", Level.FAULT, state, "Start them as docs/operator.md says.")
    elif programs:
        yield CheckResult("core_dumps", Level.OK, "No program of the mailbox leaves a core dump.")
    else:
        state = "No program of the mailbox runs, so its core dumps could not be checked."
        yield CheckResult("core_dumps", Level.UNKNOWN, state, _RIGHT_USER)


# ---- swap ------------------------------------------------------------------------------------------


def _device_number(path: str) -> str:
    """Return the number of a device, such as "8:1". For a swap file, return the number of its disk."""
    status = Path(path).stat()
    number = status.st_rdev or status.st_dev
    return f"{os.major(number)}:{os.minor(number)}"


def check_swap(
    swaps: str, *, number_of: Callable[[str], str] = _device_number, devices: Path = _DEVICES
) -> Iterator[CheckResult]:
    """Check that each swap space is in memory (zram) or encrypted. `swaps` is the text of /proc/swaps.

    Raises:
        OSError: a swap space cannot be inspected.
    """
    # Source: proc_swaps(5), and the kernel's sysfs-block.
    names = [line.split()[0].replace("\\040", " ") for line in swaps.splitlines()[1:] if line.strip()]
    readable = [name for name in names if not _is_hidden((devices / number_of(name)).resolve(strict=True))]
    for name in readable:
        yield CheckResult("swap", Level.FAULT, f"The swap space {name} is not encrypted.", _TO_ENCRYPT)
    if not readable:
        state = "All swap space is encrypted or in memory." if names else "There is no swap space."
        yield CheckResult("swap", Level.OK, state)


def _is_hidden(device: Path) -> bool:
    """Return True if the content of a block device is encrypted, or stays in memory."""
    if device.name.startswith("zram"):
        backing = device / "backing_dev"
        return not backing.exists() or backing.read_text("ascii").strip() == "none"
    identity = device / "dm" / "uuid"
    if identity.exists() and identity.read_text("ascii").startswith("CRYPT-"):
        return True
    below = list((device / "slaves").glob("*"))
    return bool(below) and all(_is_hidden(each.resolve(strict=True)) for each in below)


# ---- logs ------------------------------------------------------------------------------------------


def _named_logs(settings: MachineSettings, log_paths: Sequence[Path]) -> Iterator[CheckResult]:
    """Yield a result if a reverse proxy or Tor is used, but the settings name no logs to check."""
    is_proxied = settings.text("source", "origin").startswith("https:")
    if not log_paths and (is_proxied or settings.text("source", "onion_socket")):
        state = "The logs of the reverse proxy and of Tor were not checked for addresses."
        yield CheckResult("logs", Level.UNKNOWN, state, "Name these logs in 'log_paths' under [check].")


def _journal(owner: int) -> Iterator[CheckResult]:
    """Look for addresses in the journal entries of the mailbox's programs."""
    if shutil.which("journalctl") is None:
        state = "This machine has no journal of systemd, so the programs' log was not checked for addresses."
        advice = "Name the file with their log in 'log_paths' under [check]."
        yield CheckResult("journal", Level.WARNING, state, advice)
        return
    command = ["journalctl", "--quiet", "--no-pager", "--output=cat", f"--lines={_JOURNAL_LINES}"]
    read = subprocess.run(  # noqa: S603  # no shell
        [*command, f"_UID={owner}"], capture_output=True, timeout=_JOURNAL_SECONDS, check=False
    )
    if read.returncode:
        state = "The journal of systemd cannot be read, so it was not checked for addresses."
        advice = "Run this as root, or as a user in the group systemd-journal."
        yield CheckResult("journal", Level.UNKNOWN, state, advice)
    else:
        yield _without_addresses("journal", "The journal of the mailbox's programs", read.stdout)


def _log(path: Path) -> Iterator[CheckResult]:
    with path.open("rb") as log:
        log.seek(max(0, path.stat().st_size - _LOG_BYTES))
        yield _without_addresses("logs", f"The log {path}", log.read())


def _without_addresses(check: str, name: str, written: bytes) -> CheckResult:
    found = sum(map(_is_of_visitor, _ADDRESS.findall(written.decode("utf-8", "replace"))))
    if not found:
        return CheckResult(check, Level.OK, f"{name} has no addresses.")
    advice = "Turn the log off (docs/operator.md, 'Put a reverse proxy in front'), and delete what it holds."
    return CheckResult(check, Level.FAULT, f"{name} has {found} addresses, which can be of visitors.", advice)


def _is_of_visitor(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:  # a time of day, or a version number
        return False
    # No machine has an address of 0.0.0.0/8 (RFC 1122, 3.2.1.3): "Tor 0.4.9.11" is a version.
    return not (address.is_loopback or address.is_unspecified or text.startswith("0."))
