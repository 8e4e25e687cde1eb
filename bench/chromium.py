"""Debian's Chromium for tests and screenshots, without a window and without requests to its maker."""

import os

from playwright.sync_api import Browser, Playwright, ProxySettings

_PATH = "/usr/bin/chromium-headless-shell"
_ARGUMENTS = (
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def start(playwright: Playwright, *arguments: str, proxy: ProxySettings | None = None) -> Browser:
    """Start Chromium. A root user can only run Chromium without its own sandbox."""
    sandbox = () if os.geteuid() else ("--no-sandbox",)
    return playwright.chromium.launch(
        executable_path=_PATH, args=[*_ARGUMENTS, *arguments, *sandbox], proxy=proxy
    )
