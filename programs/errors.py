"""Exceptions of `programs`: one class for each case that a caller handles differently."""


class ProgramError(Exception):
    """Base class of every exception here."""


class ProgramFailedError(ProgramError):
    """A program took too long, wrote too much, or failed. Its output must not be used."""


class NoSandboxError(ProgramError):
    """This machine does not allow a sandbox."""
