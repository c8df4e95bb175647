"""The tables about storage that a person reads."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

_MB: Final = 1e6
_MIB: Final = 2**20
_JOBS: Final = {
    "catch_up": "catch-up: all hours and days",
    "views": "  its views",
    "first_night": "  first night: all that is old goes",
    "hourly": "hourly job, one day",
    "daily": "daily job, one day",
    "night": "a whole night",
}
# What the issue allows: seconds of a job, milliseconds of the loop, memory.
_LIMITS_S: Final = {"hourly": 30.0, "night": 120.0}
_LAG_MS: Final = 20.0
_MEMORY_MIB: Final = 256.0
_SHARE_PERCENT: Final = 10.0


def print_storage_report(report: Mapping[str, Any]) -> None:
    """Print all that was measured."""
    print(
        f"\n{report['date']}, {report['days']} days, Home Assistant "
        f"{report['home_assistant']}, Python {report['python']}, {report['system']}, "
        f"{report['machine']}, {report['cpus']} CPUs"
    )
    stored = report["stored"]
    if "tiers" in stored:
        print_stored(stored["raw"], stored["tiers"])
        print_largest(stored["tiers"])
    if "parquet" in report:
        print_parquet(report["parquet"])
    print_jobs(report["jobs"])
    if "questions" in report:
        print_questions(report["questions"])


def print_stored(raw: Mapping[str, Any], tiers: Mapping[str, Any]) -> None:
    """Print what a year takes, all raw and in tiers."""
    whole, weeks = (_sizes(one) for one in raw.values())
    lines = [
        ("a year, all raw", *whole),
        ("  the same in shards of 7 days", *weeks),
    ]
    total_disk = total_data = total_rows = 0
    for name, one in tiers.items():
        rows, data, disk = _sizes(one)
        total_rows, total_data, total_disk = (
            total_rows + rows,
            total_data + data,
            total_disk + disk,
        )
        lines.append((name, rows, data, disk))
        lines += [
            (
                f"  {measurement}",
                count,
                sum(one["measurements"][measurement].values()),
                0,
            )
            for measurement, count in sorted(
                one["rows"].items(), key=lambda item: -item[1]
            )
        ]
    lines.append(("all tiers and views", total_rows, total_data, total_disk))
    print("\n### Stored bytes\n")
    _print_line("", ("rows", "data, MB", "bytes/row", "disk, MB", "of all raw"))
    _print_rule(5)
    for title, rows, data, disk in lines:
        _print_line(
            title,
            (
                f"{rows:,}",
                f"{data / _MB:,.2f}",
                f"{data / rows:,.1f}" if rows else "",
                f"{disk / _MB:,.2f}" if disk else "",
                f"{data / whole[1]:.2%}",
            ),
        )
    for title, sizes in (("our raw store", whole), ("shards of 7 days", weeks)):
        share = total_data / sizes[1] * 100
        print(
            f"\n- against a year of raw in {title}: {share:.1f} % of the data, "
            f"{total_disk / sizes[2]:.1%} of all on disk; "
            f"<= {_SHARE_PERCENT:g} % {_word(share <= _SHARE_PERCENT)}"
        )


def print_largest(tiers: Mapping[str, Any]) -> None:
    """Print which fields the small tiers are made of."""
    print("\n### The largest fields of the tiers\n")
    _print_line("", ("data, MB", "bytes/row"))
    _print_rule(2)
    fields = [
        (f"{measurement}: {field}", size, one["rows"][measurement])
        for one in list(tiers.values())[1:]
        for measurement, sizes in one["measurements"].items()
        for field, size in sizes.items()
    ]
    for title, size, rows in sorted(fields, key=lambda item: -item[1])[:20]:
        _print_line(title, (f"{size / _MB:.2f}", f"{size / rows:.1f}" if rows else ""))


def print_parquet(parquet: Mapping[str, float]) -> None:
    """Print the sizes of files."""
    print("\n### As Parquet files\n")
    _print_line("", ("gzip, MB", "zstd, MB"))
    _print_rule(2)
    for title, key in (
        (f"daily rows of {parquet['days']:.0f} days, a file a day", "daily"),
        ("  the same, a file a month", "monthly"),
        ("raw rows of one day", "raw_day"),
    ):
        sizes = (parquet[f"{key}_{way}"] / _MB for way in ("gzip", "zstd"))
        _print_line(title, [f"{size:.2f}" for size in sizes])


def print_jobs(jobs: Mapping[str, Mapping[str, Any]]) -> None:
    """Print how long jobs took, their memory, and the lag of the event loop."""
    print("\n### Jobs\n")
    heads = ("time, s", "CPU, s", "memory, MiB", "server, MiB", "idle p99, ms")
    _print_line("", (*heads, "beside p99", "lag p99, ms", "lag max, ms", "limits"))
    _print_rule(9)
    for name, title in _JOBS.items():
        if (job := jobs.get(name)) is None:
            continue
        memory_mib = job["over_idle_bytes"] / _MIB
        lag_ms = job["lag"]["p99_ms"]
        is_kept = (
            job["seconds"] <= _LIMITS_S.get(name, job["seconds"])
            and memory_mib <= _MEMORY_MIB
            and lag_ms <= _LAG_MS
        )
        _print_line(
            title,
            (
                f"{job['seconds']:,.1f}",
                f"{job['cpu_seconds']:,.1f}",
                f"{memory_mib:,.0f}",
                f"{job['server_peak_bytes'] / _MIB:,.0f}",
                f"{job['idle_lag']['p99_ms']:.1f}",
                f"{job['beside_lag']['p99_ms']:.1f}",
                f"{lag_ms:.1f}",
                f"{job['lag']['longest_ms']:.0f}",
                _word(is_kept),
            ),
        )


def print_questions(questions: Iterable[Mapping[str, Any]]) -> None:
    """Print how long views and raw rows took for the same answer."""
    print("\n### Views\n")
    heads = ("rows", "view, ms", "raw, ms", "raw/view", "server, ms", "server/view")
    _print_line("", (*heads, "equal"))
    _print_rule(7)
    for one in questions:
        server_ms, view_ms = one["server_ms"], one["view_ms"]
        _print_line(
            f"{one['read']}: {one['question']}",
            (
                f"{one['rows']:,}{'+' if one['has_more'] else ''}",
                f"{view_ms:.1f}",
                f"{one['raw_ms']:,.0f}",
                f"{one['raw_ms'] / view_ms:,.0f}",
                f"{server_ms:,.0f}",
                f"{server_ms / view_ms:,.0f}",
                "no" if one["differences"] else "yes",
            ),
        )


def _sizes(one: Mapping[str, Any]) -> tuple[int, int, int]:
    return sum(one["rows"].values()), one["data_bytes"], one["disk_bytes"]


def _word(is_kept: bool) -> str:  # noqa: FBT001 - all that it says
    return "met" if is_kept else "MISSED"


def _print_line(title: str, texts: Sequence[str]) -> None:
    print(f"| {title:44} | " + " | ".join(f"{text:>12}" for text in texts) + " |")


def _print_rule(count: int) -> None:
    print(f"| {'-' * 44} | " + " | ".join(["-" * 12] * count) + " |")
