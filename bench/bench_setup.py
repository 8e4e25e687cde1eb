"""Setup of one measurement: the servers, the baseline server, and how long it may take."""

from dataclasses import dataclass

from bench.adviser import Adviser
from bench.baselines.baseline import Baseline
from bench.desk_servers import DeskServers
from bench.source import Source


@dataclass(frozen=True, slots=True)
class BenchSetup:
    """Running servers of one measurement, and whether this is a quick run."""

    servers: DeskServers
    baseline: Baseline
    quick: bool

    def turns(self, whole: int) -> int:
        """Return how often to repeat an action: `whole`, or a fifth of `whole` in a quick run."""
        return max(2, whole // 5) if self.quick else whole

    def seconds(self, whole: float) -> float:
        """Return how many seconds a load lasts: `whole`, or a quarter of `whole` in a quick run."""
        return whole / 4 if self.quick else whole

    def source(self) -> Source:
        """Return a source who has no mailbox open yet."""
        return Source(self.servers.source.host, self.servers.source.port)

    def adviser(self) -> Adviser:
        """Return an adviser who has not unlocked yet."""
        return Adviser(self.servers.adviser.host, self.servers.adviser.port)
