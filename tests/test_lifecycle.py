"""What `scripts/develop --once` finds in the life cycle: its verdict is worth that."""

from collections.abc import Callable
from datetime import UTC, date, datetime
import itertools
import math
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, strategies as st
import pytest

from custom_components.ha_ingestor.backfill.csv_file import read_page
from devlib.lifecycle_check import (
    FoundWindow,
    Total,
    WindowCheck,
    format_checks,
    format_totals,
    from_aggregate,
    from_history,
    parse_time,
    total_of_readings,
    total_of_windows,
)
from devlib.lifecycle_past import (
    NS_PER_DAY,
    NS_PER_HOUR,
    NS_PER_S,
    PAST_ENTITY_IDS,
    Kind,
    PastEntity,
    Seams,
    load_past,
    local_days,
    steps,
    to_datetime,
    to_ns,
    write_csv,
)

BRUSSELS = ZoneInfo("Europe/Brussels")
NOW_NS = to_ns(datetime(2026, 11, 21, 9, 7, 13, 250_000, UTC))


def at(text: str) -> int:
    return to_ns(datetime.fromisoformat(text).replace(tzinfo=UTC))


def entity(kind: Kind, *readings: tuple[str, float | str]) -> PastEntity:
    return PastEntity(
        entity_id="sensor.x",
        kind=kind,
        times_ns=[at(f"2026-11-01T{text}") for text, _ in readings],
        values=[value for _, value in readings],
    )


@pytest.fixture(name="past", scope="module")
def fixture_past() -> list[PastEntity]:
    return load_past(NOW_NS)


# ----------------------------------------------------------------- the reference
def test_amounts_of_a_number() -> None:
    room = entity(Kind.NUMBER, ("00:30", 10.0), ("01:15", 30.0), ("02:00", 20.0))
    first = room.amounts((at("2026-11-01T00:00"), at("2026-11-01T01:00")))
    second = room.amounts((at("2026-11-01T01:00"), at("2026-11-01T02:00")))
    later = room.amounts((at("2026-11-01T05:00"), at("2026-11-01T06:00")))
    assert first is not None
    assert first.held_s == 1_800
    assert first.values == {
        "count": 1,
        "mean": 10,
        "min": 10,
        "max": 10,
        "first": 10,
        "last": 10,
    }
    # Carried in for a quarter of an hour; the row at its end is the next one's.
    assert second is not None
    assert second.values == {
        "count": 1,
        "mean": 25,
        "min": 10,
        "max": 30,
        "first": 10,
        "last": 30,
    }
    assert later is not None
    assert later.values["count"] == 0
    assert later.values["mean"] == 20


def test_nothing_is_known_before_the_first_reading() -> None:
    room = entity(Kind.NUMBER, ("12:00", 10.0))
    assert room.amounts((at("2026-11-01T10:00"), at("2026-11-01T12:00"))) is None


def test_energy_of_power_and_of_a_counter() -> None:
    day = at("2026-11-01T00:00"), at("2026-11-02T00:00")
    power = entity(Kind.POWER, ("12:00", 500.0), ("18:00", 0.0))
    meter = entity(Kind.COUNTER, ("06:00", 900.0), ("12:00", 1_400.0))
    power_day, meter_day = power.amounts(day), meter.amounts(day)
    assert power_day is not None
    assert power_day.values["energy"] == 3
    # What the meter showed at first was used before.
    assert meter_day is not None
    assert meter_day.values["energy"] == 0.5
    noon = meter.amounts((at("2026-11-01T12:00"), at("2026-11-01T13:00")))
    assert noon is not None
    assert noon.values["energy"] == 0.5


def test_amounts_of_a_switch() -> None:
    light = entity(Kind.SWITCH, ("01:00", "off"), ("02:00", "on"), ("02:30", "off"))
    day = light.amounts((at("2026-11-01T00:00"), at("2026-11-02T00:00")))
    hour = light.amounts((at("2026-11-01T02:00"), at("2026-11-01T03:00")))
    before = light.amounts((at("2026-11-01T01:00"), at("2026-11-01T02:00")))
    assert day is not None
    assert day.values == {"count": 3, "on_seconds": 1_800, "changes": 2, "last": "off"}
    assert hour is not None
    assert hour.values["changes"] == 2
    assert before is not None
    assert before.values["changes"] == 0


@given(
    readings=st.lists(
        st.tuples(st.integers(0, 86_399), st.integers(-50, 50)),
        min_size=1,
        unique_by=lambda reading: reading[0],
    ),
    kind=st.sampled_from([Kind.NUMBER, Kind.POWER, Kind.COUNTER]),
    start=st.integers(0, 86_399),
    length=st.integers(1, 90_000),
)
def test_amounts_are_those_of_every_second(
    readings: list[tuple[int, int]], kind: Kind, start: int, length: int
) -> None:
    readings.sort()
    room = PastEntity(
        entity_id="sensor.x",
        kind=kind,
        times_ns=[second * NS_PER_S for second, _ in readings],
        values=[float(value) for _, value in readings],
    )
    held: list[int] = []
    value: int | None = None
    by_second = dict(readings)
    for second in range(start + length):
        value = by_second.get(second, value)
        if second >= start and value is not None:
            held.append(value)
    amounts = room.amounts((start * NS_PER_S, (start + length) * NS_PER_S))
    found = None if amounts is None else (amounts.held_s, amounts.values)
    expected: dict[str, Any] = {}
    if held:
        expected = {
            "count": sum(start <= second < start + length for second, _ in readings),
            "mean": pytest.approx(sum(held) / len(held), abs=1e-9),
            "min": min(held),
            "max": max(held),
            "first": held[0],
            "last": held[-1],
        }
    if held and kind is Kind.POWER:
        expected["energy"] = pytest.approx(sum(held) / 3.6e6, abs=1e-12)
    if held and kind is Kind.COUNTER:
        steps_of = [
            after[1] - before[1]
            for before, after in itertools.pairwise(readings)
            if start <= after[0] < start + length
        ]
        expected["energy"] = pytest.approx(sum(steps_of) / 1_000, abs=1e-9)
    assert found == ((len(held), expected) if held else None)


# ------------------------------------------------------------------------ the past
def test_the_recording_ends_less_than_a_day_ago(past: list[PastEntity]) -> None:
    last_ns = max(one.times_ns[-1] for one in past)
    assert NOW_NS - NS_PER_DAY < last_ns <= NOW_NS
    # By whole days: at 17:40 on the clock of the recording.
    assert to_datetime(last_ns).time().isoformat() == "16:40:00"
    assert {one.kind for one in past} == set(Kind)
    assert [one.entity_id for one in past] == list(PAST_ENTITY_IDS)


def test_the_csv_says_what_was_read(past: list[PastEntity], tmp_path: Path) -> None:
    file = tmp_path / "past.csv"
    count = write_csv(file, past)
    page = read_page(
        file, offset=0, line_count=0, limit=count + 2, time_zone=UTC, now_s=NOW_NS / 1e9
    )
    read = {(one.entity_id, one.time_s, one.value) for one in page.values}
    expected = {
        (one.entity_id, time_ns / NS_PER_S, str(value))
        for one in past
        for time_ns, value in zip(one.times_ns, one.values, strict=True)
    }
    assert page.problems == []
    assert len(page.values) == count
    assert read == expected


def test_local_days_follow_the_clock() -> None:
    days = local_days((at("2026-10-24T12:00"), at("2026-10-26T12:00")), BRUSSELS)
    assert [(end_ns - start_ns) / NS_PER_HOUR for start_ns, end_ns in days] == [
        24,
        25,
        13,
    ]


def test_steps_end_with_their_span() -> None:
    span = at("2026-11-01T10:20"), at("2026-11-01T12:05")
    windows = steps(span)
    assert windows == [
        (at("2026-11-01T10:00"), at("2026-11-01T11:00")),
        (at("2026-11-01T11:00"), at("2026-11-01T12:00")),
        (at("2026-11-01T12:00"), at("2026-11-01T12:05")),
    ]


def test_seams_are_whole_days_of_utc() -> None:
    seams = Seams.at(NOW_NS, raw=7, hourly=30, daily=60, zone=BRUSSELS)
    assert seams == Seams(
        raw_ns=at("2026-11-14T00:00"),
        hourly_ns=at("2026-10-22T00:00"),
        daily_ns=at("2026-09-22T00:00"),
        # The hour that ended seven minutes ago may still get rows.
        hour_ns=at("2026-11-21T08:00"),
        day_ns=at("2026-11-20T23:00"),
    )
    # The day that began at 22:00 has lost its first hours.
    assert seams.hourly_span((0, NOW_NS), BRUSSELS)[0] == at("2026-10-22T22:00")


def test_dates_of_the_past_are_real(past: list[PastEntity]) -> None:
    days = local_days((past[0].times_ns[0], NOW_NS), BRUSSELS)
    first = to_datetime(days[0][0]).astimezone(BRUSSELS)
    assert first.date() == date(2026, 7, 6)
    assert len(days) == 139


# --------------------------------------------------------------------- the verdict
ROOM = entity(Kind.POWER, ("00:10", 100.0), ("01:30", 300.0), ("03:00", 0.0))
SPAN = at("2026-11-01T00:00"), at("2026-11-01T04:00")
WINDOWS = steps(SPAN)


def found_windows() -> list[FoundWindow]:
    found: list[FoundWindow] = []
    for window in WINDOWS:
        amounts = ROOM.amounts(window)
        assert amounts is not None
        found.append(
            FoundWindow(
                start_ns=window[0],
                end_ns=window[1],
                values=dict(amounts.values),
                source="hourly",
            )
        )
    return found


def spoil(**values: Any) -> Callable[[list[FoundWindow]], object]:
    def change(found: list[FoundWindow]) -> None:
        one = found[1]
        found[1] = FoundWindow(
            start_ns=one.start_ns,
            end_ns=values.pop("end_ns", one.end_ns),
            source=values.pop("source", one.source),
            values={**one.values, **values},
        )

    return change


def verdict(spoiler: Callable[[list[FoundWindow]], object]) -> tuple[int, int, int]:
    found = found_windows()
    spoiler(found)
    check = WindowCheck("hours")
    check.compare(ROOM, WINDOWS, found, lambda _: {"hourly"})
    assert check.is_right == (not check.examples)
    return check.missing_count, check.surplus_count, check.wrong_count


@pytest.mark.parametrize(
    ("spoiler", "expected"),
    [
        pytest.param(lambda _: None, (0, 0, 0), id="right"),
        pytest.param(spoil(mean=200 * (1 + 1e-12)), (0, 0, 0), id="rounding"),
        pytest.param(lambda found: found.pop(1), (1, 0, 0), id="missing"),
        pytest.param(lambda found: found.append(found[1]), (0, 1, 0), id="doubled"),
        pytest.param(
            lambda found: found.append(FoundWindow(start_ns=SPAN[1], values={})),
            (0, 1, 0),
            id="surplus",
        ),
        pytest.param(spoil(mean=200 * (1 + 1e-8)), (0, 0, 1), id="mean"),
        pytest.param(spoil(min=math.nextafter(100, 0)), (0, 0, 1), id="min"),
        pytest.param(spoil(max=math.nextafter(300, 0)), (0, 0, 1), id="max"),
        pytest.param(spoil(count=2), (0, 0, 1), id="count"),
        pytest.param(spoil(energy=0.2001), (0, 0, 1), id="energy"),
        pytest.param(spoil(energy=None), (0, 0, 1), id="no energy"),
        pytest.param(spoil(source="raw"), (0, 0, 1), id="tier"),
        pytest.param(spoil(end_ns=WINDOWS[1][1] - 1), (0, 0, 1), id="end"),
    ],
)
def test_what_is_found_in_windows(
    spoiler: Callable[[list[FoundWindow]], object], expected: tuple[int, int, int]
) -> None:
    assert verdict(spoiler) == expected


def test_energy_of_what_has_none_is_wrong() -> None:
    room = entity(Kind.NUMBER, ("00:00", 1.0))
    amounts = room.amounts(WINDOWS[0])
    assert amounts is not None
    check = WindowCheck("hours")
    values = {**amounts.values, "energy": 0.0}
    found = [FoundWindow(start_ns=WINDOWS[0][0], values=values)]
    check.compare(room, WINDOWS[:1], found)
    assert check.wrong_count == 1


def test_nothing_to_compare_is_not_right() -> None:
    assert not WindowCheck("hours").is_right


@pytest.mark.parametrize(
    ("answered", "expected"),
    [pytest.param("04:00:09", 0, id="open"), pytest.param("03:59", 1, id="too late")],
)
def test_the_open_window_ends_when_it_is_answered(answered: str, expected: int) -> None:
    end_ns = at("2026-11-01T03:40")
    told_ns = at("2026-11-01T04:00:02")
    amounts = ROOM.amounts((WINDOWS[-1][0], told_ns))
    assert amounts is not None
    found = [
        *found_windows()[:-1],
        FoundWindow(start_ns=WINDOWS[-1][0], end_ns=told_ns, values=amounts.values),
    ]
    check = WindowCheck("hours")
    check.compare(
        ROOM,
        steps((SPAN[0], end_ns)),
        found,
        answered_ns=at(f"2026-11-01T{answered}"),
    )
    assert check.wrong_count == expected


def test_what_begins_while_it_is_answered_is_not_looked_at() -> None:
    check = WindowCheck("hours")
    new = FoundWindow(start_ns=SPAN[1], end_ns=SPAN[1] + NS_PER_S, values={})
    check.compare(
        ROOM, WINDOWS, [*found_windows(), new], answered_ns=SPAN[1] + NS_PER_S
    )
    assert check.is_right


def test_only_some_values_are_there_to_be_compared() -> None:
    check = WindowCheck("view", only={"energy"})
    found = [
        FoundWindow(start_ns=one.start_ns, values={"energy": one.values["energy"]})
        for one in found_windows()
    ]
    check.compare(ROOM, WINDOWS, found)
    assert check.is_right


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        pytest.param([(0, 100.0), (1, 300.0)], (0, 0), id="right"),
        pytest.param([(0, 100.0)], (1, 0), id="missing"),
        pytest.param([(0, 100.0), (1, 300.0), (1, 300.0)], (0, 1), id="doubled"),
        pytest.param([(0, 100.0), (1, 301.0)], (1, 1), id="another value"),
    ],
)
def test_what_is_found_in_readings(
    readings: list[tuple[int, float]], expected: tuple[int, int]
) -> None:
    check = WindowCheck("raw")
    found = [(ROOM.times_ns[number], value) for number, value in readings]
    check.compare_readings(ROOM, (SPAN[0], at("2026-11-01T03:00")), found)
    assert (check.missing_count, check.surplus_count) == expected
    assert check.is_right == (expected == (0, 0))


# -------------------------------------------------------------- reading of answers
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-01T01:00:00+01:00", at("2026-11-01T00:00")),
        ("2026-11-01T01:00:00.25+01:00", at("2026-11-01T00:00") + 250_000_000),
        ("2026-11-01T00:00:00.000001002+00:00", at("2026-11-01T00:00") + 1_002),
    ],
)
def test_times_of_answers(text: str, expected: int) -> None:
    assert parse_time(text) == expected


def test_rows_of_answers_and_of_stores() -> None:
    row = {
        "start": "2026-11-01T00:00:00+01:00",
        "end": "2026-11-02T00:00:00+01:00",
        "source": "daily",
        "mean": 1.5,
    }
    asked = from_history(row)
    stored = from_aggregate(Kind.SWITCH, 7, {"last_state": "on", "state_changes": 2.0})
    assert asked.end_ns is not None
    assert asked.end_ns - asked.start_ns == NS_PER_DAY
    assert asked.source == "daily"
    assert asked.values["mean"] == 1.5
    assert stored == FoundWindow(start_ns=7, values={"last": "on", "changes": 2.0})


def test_totals_and_their_tables() -> None:
    totals = [
        Total(
            entity_id=one.entity_id,
            kind=one.kind,
            expected=total_of_readings(one, SPAN),
            found={
                "1h": total_of_windows(
                    one,
                    [
                        FoundWindow(
                            start_ns=window[0], end_ns=window[1], values=amounts.values
                        )
                        for window in WINDOWS
                        if (amounts := one.amounts(window)) is not None
                    ],
                )
            },
        )
        for one in (
            ROOM,
            entity(Kind.NUMBER, ("00:10", 100.0), ("01:30", 300.0)),
            entity(Kind.COUNTER, ("00:10", 100.0), ("01:30", 300.0)),
            entity(Kind.SWITCH, ("00:10", "on"), ("01:30", "off")),
        )
    ]
    wrong = Total(
        entity_id="sensor.x", kind=Kind.POWER, expected=1.0, found={"1h": 1 + 1e-8}
    )
    check = WindowCheck("hours")
    check.compare(ROOM, WINDOWS, found_windows())
    table = format_totals([*totals, wrong])
    assert [total.is_right for total in totals] == [True] * 4
    assert not wrong.is_right
    assert table.splitlines()[-1].endswith("WRONG")
    assert table.count("ok") == 4
    assert format_checks([check]).splitlines()[-1].endswith("hourly 4  ok")


def test_a_total_of_nothing_is_wrong() -> None:
    nothing = Total(
        entity_id="sensor.x",
        kind=Kind.NUMBER,
        expected=total_of_readings(ROOM, (0, 1)),
        found={"1h": total_of_windows(ROOM, [])},
    )
    assert not nothing.is_right
