"""Measurements of uploads: how fast large files are encrypted on arrival, and how much memory that takes."""

from collections.abc import Iterator

from bench import memory
from bench.baselines import baseline
from bench.bench_setup import BenchSetup
from bench.report import Measurement, at_least, at_most, mebibytes
from bench.source import Source
from bench.timing import interleaved, median, timed

_GROWTH_BYTES = 32 * 1024**2


def uploading(setup: BenchSetup) -> Iterator[Measurement]:
    """Measure uploads of 100 MB and 1 GB, in turns with views that store or discard the same bytes."""
    sizes = ((100_000_000, 2),) if setup.quick else ((100_000_000, 5), (1_000_000_000, 2))
    for size, turns in sizes:
        yield from _uploading(setup, size, turns)


def _uploading(setup: BenchSetup, size: int, turns: int) -> Iterator[Measurement]:
    growths: list[int] = []

    def upload(source: Source) -> float:
        form = source.write_form()
        rest = {worker: memory.resident_bytes(worker) for worker in setup.servers.source.workers}
        for worker in rest:
            memory.reset_peak(worker)
        seconds = timed(lambda: source.post_message(form, "with a file", size))()
        growths.append(max(memory.peak_bytes(worker) - before for worker, before in rest.items()))
        return seconds

    with setup.source() as source:
        source.open_mailbox()
        encrypted, stored, parsed = interleaved(
            turns,
            lambda: upload(source),
            timed(baseline.upload_action(setup.baseline, "/store", size)),
            timed(baseline.upload_action(setup.baseline, "/parse", size)),
            warm_ups=1 if size < 1e9 else 0,
        )
    baseline.delete_everything(setup.baseline)
    name = f"upload {size // 1_000_000} MB"
    for what, beside, share in (("stored unencrypted", stored, 0.6), ("parsed and thrown away", parsed, 0.2)):
        ratio = median(beside) / median(encrypted)
        yield Measurement(
            name,
            f"{size / 1e6 / median(encrypted):.0f} MB/s ({median(encrypted):.1f} s)",
            f"{size / 1e6 / median(beside):.0f} MB/s, {what}",
            f"{ratio:.2f}",
            f"at least {share} x",
            at_least(ratio, share),
        )
    yield Measurement(
        f"{name}: growth of the worker",
        mebibytes(max(growths)),
        "its memory before the upload",
        "",
        "at most 32 MiB",
        at_most(max(growths), _GROWTH_BYTES),
    )
