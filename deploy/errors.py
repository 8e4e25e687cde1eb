"""Exceptions of the `steunpunt` command. Each message is one sentence for the person at the terminal.

The sentence is written where the exception is raised. If another package refuses with a reason, a table has
the sentence for each reason: in `pinned_letterhead`, `desk_for_command` and `syncing.sync_refusals`. An
exception has its own class only if a caller acts differently on it.
"""

from collections.abc import Iterator
from contextlib import contextmanager


class DeployError(Exception):
    """Fault that the operator or the adviser must fix.

    The running command prints this exception's message, and exits with status 1.
    """


class ConfigError(DeployError):
    """The settings file has faults. The message names all of them, and contains no value from the file."""


class UnsafePathError(DeployError):
    """A file or folder is missing, or other users could read or replace it."""


class UnsafeStateError(DeployError):
    """The machine is in a state in which packaged units do not start. The message names each such state."""


class OpenPGPError(DeployError):
    """The desk's OpenPGP key cannot be made or read."""


class LetterheadError(DeployError):
    """The desk's signed letterhead must not be used: it is missing, forged, or older than one seen before.

    A letterhead is the desk's signed public statement.
    """


class OnionError(DeployError):
    """An onion service cannot be set up, published, inspected or backed up."""


class OnionFolderError(OnionError):
    """This user cannot read or write the folder of an onion service."""


class TorAwayError(OnionError):
    """Tor is not running, or nothing listens at its control port."""


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
        DeployError: the block raised such an exception. The message is `sentence`.
    """
    try:
        yield
    except kind as why:
        raise error(sentence) from why
