"""Status lines of gpg: only a complete success counts as success."""

from gpg.status import STATUS_LINES_MAX, GpgStatus


def test_a_million_signatures_do_not_fill_the_memory() -> None:
    status = GpgStatus()
    for _ in range(5_000):
        status.handle_status("NEWSIG", "")

    assert len(status.lines) == STATUS_LINES_MAX
