"""Exceptions of `programs`: one class for each case that a caller handles differently."""


class ProgramError(Exception):
    """Base class of the exceptions of this package."""


class ProgramFailedError(ProgramError):
    """An external program took too long, wrote too much, or failed. Its output must not be used."""


class NoSandboxError(ProgramError):
    """This machine does not allow us to start a sandbox."""
