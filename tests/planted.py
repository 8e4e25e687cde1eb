"""Planted faults: the test of a rule runs against code in which the rule is broken, and must fail."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def finds_the_fault() -> Iterator[None]:
    """Require that the test inside fails by an assertion, or because nothing was refused."""
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        yield
