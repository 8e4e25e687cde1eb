"""Memory that the C library overwrites when it is freed, so that no secret outlives its request (ADR 29)."""

import os
import sys

# Source: the GNU C Library manual, "Memory Allocation Tunables".
_TUNABLES = (
    "perturb=165",  # each freed block is filled with this byte
    # The cache of each thread keeps freed blocks as they were. It makes Python faster, and may only have
    # blocks that are too small for a secret: a Python object with a key of 32 bytes takes at least 65 bytes.
    "tcache_max=56",
    "tcache_count=5000",
    # With a heap for each thread, each heap would keep as much freed memory as its largest page took.
    "arena_max=1",
    "mxfast=160",  # blocks of up to this size are quick to allocate
)
ENVIRONMENT = {
    "PYTHONMALLOC": "malloc",  # Python's own allocator would keep freed memory as it was
    "GLIBC_TUNABLES": ":".join(f"glibc.malloc.{tunable}" for tunable in _TUNABLES),
}


def overwrite_freed_memory() -> None:
    """Start this program again with settings that make the C library overwrite freed memory.

    Do nothing if the program has these settings already. The C library reads them only when a program starts.
    """
    if ENVIRONMENT.items() <= os.environ.items():
        return
    os.environ.update(ENVIRONMENT)
    os.execv(sys.executable, sys.orig_argv)  # noqa: S606  # our own program, with its own arguments
