"""Large files: how fast they are sealed while they arrive, and what the worker weighs meanwhile."""

from collections.abc import Iterator

from bench import memory, yardstick
from bench.report import Finding, at_least, at_most, mebibytes
from bench.source import Source
from bench.stage import Stage
from bench.timing import interleaved, median, timed

_GROWTH_BYTES = 32 * 1024**2


def uploading(stage: Stage) -> Iterator[Finding]:
    """Upload files of 100 MB and 1 GB, beside storing and beside throwing away the same bytes."""
    sizes = ((100_000_000, 2),) if stage.quick else ((100_000_000, 5), (1_000_000_000, 2))
    for size, turns in sizes:
        yield from _uploading(stage, size, turns)


def _uploading(stage: Stage, size: int, turns: int) -> Iterator[Finding]:
    growths: list[int] = []

    def upload(source: Source) -> float:
        form = source.write_form()
        rest = {worker: memory.resident_bytes(worker) for worker in stage.world.source.workers}
        for worker in rest:
            memory.forget_peak(worker)
        seconds = timed(lambda: source.leave(form, "with a file", size))()
        growths.append(max(memory.peak_bytes(worker) - before for worker, before in rest.items()))
        return seconds

    with stage.source() as source:
        source.open_mailbox()
        ours, stored, parsed = interleaved(
            turns,
            lambda: upload(source),
            timed(yardstick.sending(stage.yardstick, "/store", size)),
            timed(yardstick.sending(stage.yardstick, "/parse", size)),
            warm_ups=1 if size < 1e9 else 0,
        )
    yardstick.forget(stage.yardstick)
    name = f"upload {size // 1_000_000} MB"
    for what, beside, share in (("stored unencrypted", stored, 0.6), ("parsed and thrown away", parsed, 0.2)):
        ratio = median(beside) / median(ours)
        yield Finding(
            name,
            f"{size / 1e6 / median(ours):.0f} MB/s ({median(ours):.1f} s)",
            f"{size / 1e6 / median(beside):.0f} MB/s, {what}",
            f"{ratio:.2f}",
            f"at least {share} x",
            at_least(ratio, share),
        )
    yield Finding(
        f"{name}: growth of the worker",
        mebibytes(max(growths)),
        "its memory before the upload",
        "",
        "at most 32 MiB",
        at_most(max(growths), _GROWTH_BYTES),
    )
