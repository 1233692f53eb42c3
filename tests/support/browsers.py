"""A real browser: Debian's Chromium without a window, driven by Playwright, and pictures of what it shows."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from django.conf import settings
from playwright.async_api import Browser, Page, async_playwright

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Run a browser for the length of a block."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


async def keep_screenshot(page: Page, name: str, *, full_page: bool = False) -> None:
    """Write a picture to .data/screenshots: of what is in the window, or of the whole page."""
    folder = Path(settings.DATA_DIR) / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=folder / f"{name}.png", full_page=full_page)
