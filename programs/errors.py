"""Exceptions of `programs`: one class for each case that a caller handles differently."""


class ProgramFailedError(Exception):
    """An external program failed, or exceeded a limit. The caller must not use its output."""


class ProgramLimitError(ProgramFailedError):
    """An external program exceeded its limit of time, memory or processes."""


class NoSandboxError(Exception):
    """This machine does not allow us to start a sandbox."""
