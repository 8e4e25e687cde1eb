"""Exceptions of the `steunpunt` command. Each message is one sentence for the person at the terminal.

The sentence is written where the exception is raised. If another package refuses with a reason, a table has
the sentence for each reason: in `pinned_letterhead`, `desk_for_command` and `syncing.sync_refusals`. An
exception has its own class only if a caller acts differently on it, or if the exit status is another one.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from deploy.exit_codes import ExitCode


class DeployError(Exception):
    """Fault that the operator or the adviser must fix.

    The running command prints this exception's message, and exits with `status`.
    """

    status: ExitCode = ExitCode.FAILED


class ConfigError(DeployError):
    """The settings file has faults. The message names all of them, and contains no value from the file."""

    status = ExitCode.SETTINGS


class FaultsFoundError(DeployError):
    """A command did its work and found faults, such as a mailbox that differs from what was signed."""

    status = ExitCode.FAULTS_FOUND


class BusyError(DeployError):
    """Another program is busy or cannot be reached, so the same command may succeed later."""

    status = ExitCode.BUSY


class UnsafePathError(DeployError):
    """A file or folder is missing, or other users could read or replace it."""

    status = ExitCode.UNSAFE


class UnsafeStateError(DeployError):
    """The machine is in a state in which packaged units do not start. The message names each such state."""

    status = ExitCode.UNSAFE


class OpenPGPError(DeployError):
    """The desk's OpenPGP key cannot be made or read."""


class LetterheadError(DeployError):
    """The desk's signed letterhead must not be used: it is missing, forged, or older than one seen before.

    A letterhead is the desk's signed public statement.
    """

    status = ExitCode.STORE


class OnionError(DeployError):
    """An onion service cannot be set up, published, inspected or backed up."""


class OnionFolderError(OnionError):
    """This user cannot read or write the folder of an onion service."""


class TorAwayError(OnionError):
    """Tor is not running, or nothing listens at its control port."""

    status = ExitCode.BUSY


@contextmanager
def os_error_as(
    sentence: str, error: type[DeployError] = DeployError, *, advice: str = "."
) -> Iterator[None]:
    """Turn an OSError in the `with` block into an exception of the class `error`.

    The text of the new exception is `sentence`, then the class name of the OSError, then `advice`.

    Raises:
        DeployError: the block raised an OSError. `error` is DeployError or a subclass.
    """
    try:
        yield
    except OSError as why:
        raise error(f"{sentence} ({type(why).__name__}){advice}") from why


@contextmanager
def refused_as(
    kind: type[Exception], sentence: str, error: type[DeployError] = DeployError
) -> Iterator[None]:
    """Turn an exception of the class `kind` in the `with` block into an exception of the class `error`.

    Raises:
        DeployError: the block raised an exception of the class `kind`. The message is `sentence`.
    """
    try:
        yield
    except kind as why:
        raise error(sentence) from why
