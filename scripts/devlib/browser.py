"""A real Chromium on Home Assistant's frontend."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
import io
from typing import Final

from PIL import Image
from playwright.async_api import Locator, Page, async_playwright

from .api import PASSWORD, USER_NAME
from .settings import DEV

WIDTH: Final = 1000
HEIGHT: Final = 800
# Dialogs fade in and charts draw themselves; nothing tells when they are done.
_SETTLE_MS: Final = 1_500
_TIMEOUT_MS: Final = 30_000
# Nothing of it talks to anybody but Home Assistant.
_ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)

# Knows what a dialog that scrolls hides, too.
_IS_IN_VIEW: Final = """element => new Promise(resolve => {
  const observer = new IntersectionObserver(([entry]) => {
    observer.disconnect();
    resolve(entry.intersectionRatio > 0.99);
  });
  observer.observe(element);
})"""


class Frontend:
    """One logged-in page; every picture has the same width."""

    def __init__(self, page: Page, url: str) -> None:
        """Take the page over."""
        self.page = page
        self._url = url

    async def log_in(self) -> None:
        """Log in as a person does, without the sidebar, which shows nothing."""
        await self.page.goto(self._url)
        await self.page.locator("input[name=username]").fill(USER_NAME)
        await self.page.locator("input[name=password]").fill(PASSWORD)
        await self.page.keyboard.press("Enter")
        await self.page.wait_for_selector("home-assistant-main")
        await self.page.evaluate(
            "localStorage.setItem('dockedSidebar', '\"always_hidden\"')"
        )

    async def open(self, path: str, *, height: int = HEIGHT) -> None:
        """Open a page of Home Assistant."""
        await self.page.set_viewport_size({"width": WIDTH, "height": height})
        await self.page.goto(f"{self._url}{path}")
        await self.page.wait_for_selector("home-assistant-main")
        await self.settle()

    async def resize(self, height: int) -> None:
        """Make room for a dialog, which does not scroll for a picture."""
        await self.page.set_viewport_size({"width": WIDTH, "height": height})
        await self.settle()

    async def settle(self) -> None:
        """Wait until what was asked for is there."""
        await self.page.wait_for_timeout(_SETTLE_MS)

    @property
    def dialog(self) -> Locator:
        """The dialog of a config or options flow."""
        return self.page.locator("dialog-data-entry-flow")

    async def choose(self, text: str) -> None:
        """Choose something from the menu of a flow."""
        await self.dialog.get_by_text(text, exact=True).first.click()
        await self.settle()

    async def fill(self, field: str, text: str) -> None:
        """Fill a field of a flow."""
        await self.dialog.locator(f"input[name={field}]").fill(text)

    async def fill_number(self, number: int) -> None:
        """Fill the only field of a flow that takes a number; it has no name."""
        await self.dialog.locator("input[type=number]").fill(str(number))

    async def flip_switch(self) -> None:
        """Flip the first switch of a flow; switches have no names."""
        await self.dialog.locator("ha-switch").first.click()

    async def upload(self, content: bytes, name: str) -> None:
        """Choose a file in the only field of a flow that takes one."""
        await self.dialog.locator("input[type=file]").set_input_files(
            {"name": name, "mimeType": "text/plain", "buffer": content}
        )
        await self.settle()

    async def submit(self, next_text: str) -> Locator:
        """Submit the form of a flow and wait for what it answers; return that."""
        await self.dialog.get_by_role("button", name="Submit").click()
        answer = self.dialog.get_by_text(next_text).first
        await answer.wait_for()
        await self.settle()
        return answer

    async def is_in_view(self, place: Locator) -> bool:
        """Tell whether a person sees it whole, without scrolling."""
        return bool(await place.evaluate(_IS_IN_VIEW))

    async def take_picture(self) -> bytes:
        """Return what is visible as a small PNG."""
        # Away from everything that would light up under it.
        await self.page.mouse.move(0, 0)
        await self.page.wait_for_timeout(300)
        image = Image.open(io.BytesIO(await self.page.screenshot()))
        # Interfaces have few colours; a palette makes a third of the bytes.
        picture = io.BytesIO()
        image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(
            picture, "PNG", optimize=True
        )
        return picture.getvalue()


@asynccontextmanager
async def open_frontend(url: str) -> AsyncIterator[Frontend]:
    """Start a browser, log in, and close it afterwards."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=DEV / "chromium", args=_ARGUMENTS
        )
        try:
            context = await browser.new_context(
                color_scheme="light",
                locale="en-US",
                timezone_id="Europe/Brussels",
                viewport={"width": WIDTH, "height": HEIGHT},
            )
            context.set_default_timeout(_TIMEOUT_MS)
            frontend = Frontend(await context.new_page(), url)
            await frontend.log_in()
            yield frontend
        finally:
            await browser.close()
