"""Series and spans of windows, in minutes."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from custom_components.ha_ingestor.sources.slots import Slot, Slots
from custom_components.ha_ingestor.sources.windows import (
    Load,
    LoadStep,
    Window,
)

START = datetime(2026, 11, 20, 12, tzinfo=UTC)


MINUTE = timedelta(minutes=1)


BERLIN = ZoneInfo("Europe/Berlin")


def at(minute: float) -> datetime:
    return START + minute * MINUTE


def series(*values: float | None, minutes: int = 60, start: datetime = START) -> Slots:
    """Slots of one length; None leaves a gap."""
    return tuple(
        Slot(
            start=start + index * minutes * MINUTE,
            end=start + (index + 1) * minutes * MINUTE,
            value=value,
        )
        for index, value in enumerate(values)
        if value is not None
    )


def load(minutes: float, power_kw: float = 1.0) -> Load:
    return Load(steps=(LoadStep(duration=minutes * MINUTE, power_kw=power_kw),))


def profile(*steps: tuple[int, float]) -> Load:
    return Load(
        steps=tuple(LoadStep(duration=m * MINUTE, power_kw=kw) for m, kw in steps)
    )


def span(window: Window) -> tuple[float, float]:
    return (window.start - START) / MINUTE, (window.end - START) / MINUTE


def spans(window: Window) -> list[tuple[float, float]]:
    return [span(Window(parts=(part,))) for part in window.parts]
