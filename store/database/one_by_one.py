"""Work on many mailboxes, in which a fault of one mailbox never ends the work on the others.

Attack: someone puts something into a mailbox of their own that makes our code raise an exception. A loop over
all mailboxes would end at this mailbox, each time, so that the mailboxes after it are never verified, closed
or counted. No one can name all such exceptions before, so each of them ends only the work on one mailbox.
"""

import itertools
from collections.abc import Callable, Iterable
from typing import TypeVar

from store.errors import WholeStoreError

_Address = TypeVar("_Address", bound=bytes)
_Result = TypeVar("_Result")


def work_on_each(
    addresses: Iterable[_Address],
    work: Callable[[_Address], _Result],
    *expected: type[Exception],
    until: Callable[[], bool] = lambda: False,
) -> tuple[list[_Result], frozenset[_Address]]:
    """Call `work` with each mailbox's address, and stop when `until` returns True.

    Return the results, and the addresses for which `work` failed. If `work` raises an exception in
    `expected`, the address is left out of both.

    Raises:
        WholeStoreError: the store itself fails, for example because its disk is full.
    """
    results: list[_Result] = []
    failed: set[_Address] = set()
    for address in itertools.takewhile(lambda _: not until(), addresses):
        try:
            results.append(work(address))
        except WholeStoreError:
            raise
        except expected:
            continue
        except Exception:  # noqa: BLE001  # see above: whatever it is, it must not reach other mailboxes
            failed.add(address)
    return results, frozenset(failed)
