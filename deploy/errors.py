"""Exceptions of the `steunpunt` command. The message of each is one sentence for the person at the terminal.

The sentence is written where the exception is raised. For a refusal that another package names with a reason,
a table has the sentence of each reason: in `pinned_letterhead`, `desk_for_command` and
`syncing.sync_refusals`. An exception has a class of its own only if a caller acts differently on it.
"""

from collections.abc import Iterator
from contextlib import contextmanager


class DeployError(Exception):
    """Fault that the operator or the adviser must fix. The command prints its message and exits with 1."""


class ConfigError(DeployError):
    """Settings file with faults. The message names all of them, and no value."""


class UnsafePathError(DeployError):
    """File or folder that is missing, or that other users could read or replace."""


class OpenPGPError(DeployError):
    """Failure to make or read the desk's OpenPGP key."""


class LetterheadError(DeployError):
    """Letterhead that must not be used: missing, forged, or older than one seen before."""


class OnionError(DeployError):
    """Failure to set up, publish, inspect or back up an onion service."""


class OnionKeyError(OnionError):
    """Key of an onion service that is missing, damaged, readable by others, or not the expected one."""


class OnionFolderError(OnionError):
    """Folder of an onion service that this user cannot read or write."""


class TorAwayError(OnionError):
    """Tor is not running, or nothing listens at its control port."""


@contextmanager
def os_error_as(sentence: str, error: type[DeployError] = DeployError) -> Iterator[None]:
    """Replace an OSError in the body with `error`: the sentence, and the kind of the OSError.

    Its own message is left out.

    Raises:
        DeployError: there was an OSError.
    """
    try:
        yield
    except OSError as why:
        raise error(f"{sentence} ({type(why).__name__}).") from why
