"""Check that a use case of the source refuses for one exact reason."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

import pytest

from source_app.errors import SourceRefusedError


@contextmanager
def refuses(reason: StrEnum) -> Iterator[None]:
    """Fail unless the block is refused for this reason."""
    with pytest.raises(SourceRefusedError) as caught:
        yield
    assert reason is caught.value.reason
