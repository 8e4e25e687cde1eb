"""Exit statuses of the `steunpunt` command: one table for the program, its help and the operator's manual."""

from enum import IntEnum
from typing import Final


class ExitCode(IntEnum):
    """Exit status of a command, which a script can read."""

    DONE = 0
    FAILED = 1
    MISTYPED = 2
    FAULTS_FOUND = 3
    SETTINGS = 4
    STORE = 5
    BUSY = 6
    UNSAFE = 7
    STOPPED = 130


MEANINGS: Final = {
    ExitCode.DONE: "The command did its work, and found no fault.",
    ExitCode.FAILED: "The command failed. The error says what to do.",
    ExitCode.MISTYPED: "The command was typed wrongly, or a file that it names does not exist.",
    ExitCode.FAULTS_FOUND: "The command did its work, and found faults.",
    ExitCode.SETTINGS: "The settings are missing, or have faults.",
    ExitCode.STORE: "The store, or the letterhead in the store, cannot be used.",
    ExitCode.BUSY: "Something is busy or cannot be reached. Run the same command again later.",
    ExitCode.UNSAFE: "A file is missing or open to other users, or this machine is in another unsafe state.",
    ExitCode.STOPPED: "Someone stopped the command, or did not answer its question.",
}
SIGNALLED: Final = "The signal with number n ended the command, such as 143 after SIGTERM (15)."
