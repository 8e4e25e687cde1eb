"""Check that a use case of the adviser refuses for one exact reason."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

import pytest

from journalist_app.errors import UseCaseRefusedError


@contextmanager
def refuses(*reasons: StrEnum) -> Iterator[None]:
    """Fail unless the block is refused for this reason, or for one of several."""
    with pytest.raises(UseCaseRefusedError) as caught:
        yield
    assert any(caught.value.reason is each for each in reasons)
