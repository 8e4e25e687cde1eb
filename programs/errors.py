"""Exceptions of `programs`: one class for each case that a caller handles differently."""


class ProgramError(Exception):
    """Base class of the exceptions about external programs."""


class ProgramFailedError(ProgramError):
    """An external program took too long, wrote too much, or failed. The caller must not use its output."""


class NoSandboxError(ProgramError):
    """This machine does not allow us to start a sandbox."""
