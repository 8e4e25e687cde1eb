"""What every measurement is given: a running world, the yardsticks beside it, and how long it may take."""

from dataclasses import dataclass

from bench.adviser import Adviser
from bench.source import Source
from bench.world import World
from bench.yardstick import Yardstick


@dataclass(frozen=True, slots=True)
class Stage:
    """The servers, and whether this is a quick run."""

    world: World
    yardstick: Yardstick
    quick: bool

    def turns(self, whole: int) -> int:
        """Return how often to repeat: `whole`, or a fifth of it in a quick run."""
        return max(2, whole // 5) if self.quick else whole

    def seconds(self, whole: float) -> float:
        """Return how long a load lasts."""
        return whole / 4 if self.quick else whole

    def source(self) -> Source:
        """Return a source who has not come in yet."""
        return Source(self.world.source.host, self.world.source.port)

    def adviser(self) -> Adviser:
        """Return an adviser who has not unlocked yet."""
        return Adviser(self.world.adviser.host, self.world.adviser.port)
