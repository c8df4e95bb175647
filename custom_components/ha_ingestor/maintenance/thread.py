"""A thread for one long run, beside Home Assistant's own, which others wait for."""

import asyncio
from collections.abc import Callable
import threading

from homeassistant.core import HomeAssistant


def start_on_thread[T](
    hass: HomeAssistant, run: Callable[[], T], *, name: str
) -> asyncio.Future[T]:
    """Run something on a thread of its own.

    The thread does not outlive the process: whatever it does can be killed.

    Returns:
        Its result, on the event loop. Nobody has to look at it.
    """
    future: asyncio.Future[T] = hass.loop.create_future()
    # An error that nobody asks for is not reported once more by asyncio.
    future.add_done_callback(_look_at)

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def work() -> None:
        result: T | None = None
        error: BaseException | None = None
        try:
            result = run()
        except BaseException as err:  # noqa: BLE001 - it is raised on the loop
            error = err
        if not hass.loop.is_closed():
            hass.loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=work, name=name, daemon=True).start()
    return future


def _look_at[T](future: asyncio.Future[T]) -> None:
    if not future.cancelled():
        future.exception()
