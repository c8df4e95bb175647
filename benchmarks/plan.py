"""What is measured, of whom, and how much of it."""

from dataclasses import dataclass
from typing import Final

# Who takes part in the scenarios in which competitors stand beside each other.
COMPETITORS: Final = ("none", "noop", "influxdb", "ours", "ours_fast")
# Who has a part in the scenarios about disks only.
DISK_COMPETITORS: Final = ("recorder", "ours_full_sync")
WRITERS: Final = ("influxdb", "ours", "ours_fast", "ours_full_sync")

SHORT_SCENARIOS: Final = ("loop", "burst", "latency", "stop", "ceiling")
# Minutes each; only in the full run, or by name.
LONG_SCENARIOS: Final = ("losses", "storm", "backlog", "disk", "slow_disk")
SCENARIOS: Final = (*SHORT_SCENARIOS, *LONG_SCENARIOS)
# The flush interval has no part in the other scenarios.
FAST_SCENARIOS: Final = ("burst", "latency")

SLOW_PER_S: Final = 5.0
FAST_PER_S: Final = 200.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is measured.

    Attributes:
        lead_s: Healthy time before an outage or a kill.
        outage_s: How long the database is away in the middle of a run.
        boot_outage_s: How long it is away at the start of Home Assistant.
        kill_after_s: How far into an outage Home Assistant is killed.
        tail_s: Healthy time after an outage.
        kill_rounds: How often Home Assistant is killed with all well; what that
            costs depends on the instant.
        backlog_count: Changes of ours while the database is away.
        short_backlog_count: Changes of the others, whose memory has no bound.
        disk_seconds: Longer than the kernel's own interval for writing back, 30 s.
        disk_rates: Changes per second.
        card_burst_count: Changes at once on a slow card.
        card_seconds: Time at 200 changes a second on a slow card.
    """

    loop_count: int
    loop_rounds: int
    burst_count: int
    burst_rounds: int
    slow_seconds: float
    fast_seconds: float
    stop_seconds: float
    ceiling_rounds: int
    lead_s: float
    outage_s: float
    boot_outage_s: float
    kill_after_s: float
    tail_s: float
    kill_rounds: int
    storm_count: int
    backlog_count: int
    backlog_per_s: float
    short_backlog_count: int
    disk_seconds: float
    disk_rates: tuple[float, ...]
    card_burst_count: int
    card_seconds: float


FULL: Final = Plan(
    loop_count=50_000,
    loop_rounds=5,
    burst_count=100_000,
    burst_rounds=5,
    slow_seconds=80.0,  # four of core's batches of a hundred
    fast_seconds=30.0,
    stop_seconds=10.0,
    ceiling_rounds=5,
    lead_s=10.0,
    outage_s=60.0,
    boot_outage_s=30.0,
    kill_after_s=20.0,
    tail_s=25.0,
    kill_rounds=5,
    storm_count=300_000,
    backlog_count=1_000_000,
    backlog_per_s=2_000.0,
    short_backlog_count=120_000,
    disk_seconds=120.0,
    disk_rates=(2.0, 20.0, 200.0),
    card_burst_count=100_000,
    card_seconds=60.0,
)
# The long scenarios have no part in a quick run unless they are named; then this
# shows that they work, and no more.
QUICK: Final = Plan(
    # No fewer: a full garbage collection would fall into every other round only.
    loop_count=50_000,
    loop_rounds=3,
    burst_count=40_000,
    burst_rounds=1,
    slow_seconds=24.0,
    fast_seconds=10.0,
    stop_seconds=4.0,
    ceiling_rounds=3,
    lead_s=3.0,
    outage_s=8.0,
    boot_outage_s=8.0,
    kill_after_s=4.0,
    tail_s=10.0,
    kill_rounds=1,
    storm_count=60_000,
    backlog_count=30_000,
    backlog_per_s=2_000.0,
    short_backlog_count=10_000,
    disk_seconds=20.0,
    disk_rates=(20.0, 200.0),
    card_burst_count=20_000,
    card_seconds=8.0,
)
