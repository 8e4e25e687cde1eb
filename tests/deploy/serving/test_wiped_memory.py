"""Memory that is overwritten when it is freed: threads do not each keep what they have freed."""

import subprocess
import sys
from pathlib import Path

_MIB = 1024 * 1024
# Each of eight threads takes and frees 24 MiB, one after another, and keeps the newest block, as caches do.
_PROGRAM = """
import resource, threading
from deploy.serving.wiped_memory import overwrite_freed_memory
overwrite_freed_memory()
turn, everyone = threading.Lock(), threading.Barrier(9)
kept = []
def make_a_page():
    with turn:
        blocks = [bytes(3000) for _ in range(8000)]
        kept.append(blocks[-1])
        del blocks
    everyone.wait()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for _ in range(8):
    threading.Thread(target=make_a_page).start()
everyone.wait()
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


def test_eight_threads_that_make_large_pages_in_turn_take_the_memory_of_one() -> None:
    """Otherwise a large mailbox, asked for often, would fill the memory, although one thread decrypts it."""
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], cwd=Path(__file__).parents[3], capture_output=True, check=True
    )

    assert int(done.stdout) < 60 * _MIB
