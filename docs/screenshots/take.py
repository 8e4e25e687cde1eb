"""Program that takes the screenshots in this folder from the real apps: `make screenshots`."""

import io
from pathlib import Path

from PIL import Image, ImageDraw
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from bench import desk_servers, processes
from bench.chromium import start as start_chromium

_FOLDER = Path(__file__).parent
_WIDTH = 1000
_STORIES = (
    (
        "Ik werk voor een partner van het ministerie in het buitenland.\n\n"
        "Iemand van de ambassade zei vorige week dat onze subsidie zou stoppen als ik niet met hem uit eten "
        "ging. "
        "Ik ben bang dat mijn collega's hun werk verliezen. Moet ik hier een klacht over indienen? "
        "En wie krijgt dat dan te zien?"
    ),
    (
        "We have waited eight months for a decision on our grant, and no one answers our letters. "
        "Is that something for you?"
    ),
    "Ik denk dat een offerte vooraf is doorgespeeld aan een ander bedrijf. Ik heb er e-mails van.",
)
_ANSWER = (
    "Dank je wel dat je dit met ons deelt. Wat je beschrijft mag niet. Het is niet jouw fout.\n\n"
    "Je hoeft nu nog niets te beslissen. Er zijn drie wegen, en je kunt ook alleen met ons praten. "
    "Niemand op het ministerie ziet wat hier staat, ook niet wie jij bent. "
    "Vertel je ons wat voor jou het belangrijkste is?"
)


def _invitation() -> bytes:
    """Return a picture of a letter, which a source sends."""
    picture = Image.new("RGB", (640, 400), "white")
    lines = (
        "Beste collega,",
        "",
        "Vrijdag om 20.00 uur eten we samen.",
        "Daarna praten we over jullie subsidie.",
    )
    ImageDraw.Draw(picture).multiline_text((48, 48), "\n".join(lines), fill="black", font_size=26, spacing=14)
    raw = io.BytesIO()
    picture.save(raw, "PNG")
    return raw.getvalue()


def _context(browser: Browser, language: str, *, dark: bool = False, width: int = _WIDTH) -> BrowserContext:
    return browser.new_context(
        locale=language,
        java_script_enabled=False,
        color_scheme="dark" if dark else "light",
        viewport={"width": width, "height": 1000},
    )


def _screenshot(page: Page, name: str) -> None:
    page.screenshot(path=_FOLDER / f"{name}.png", clip=None, full_page=False)


def _start_mailbox(page: Page, url: str, text: str, with_screenshots: bool) -> str:  # noqa: FBT001  # local to this script
    page.goto(f"{url}/nl/begin")
    passphrase = page.locator(".words").inner_text()
    if with_screenshots:
        _screenshot(page, "source-passphrase")
    page.locator("main textarea").fill(passphrase)
    page.locator("main form button").first.click()
    if with_screenshots:
        _screenshot(page, "source-write")
        page.locator("#files").set_input_files(
            [{"name": "uitnodiging.png", "mimeType": "image/png", "buffer": _invitation()}]
        )
    page.locator("main textarea").fill(text)
    page.locator("main form button").first.click()
    if with_screenshots:
        _screenshot(page, "source-received")
    return passphrase


def _take_screenshots(browser: Browser, running: desk_servers.DeskServers) -> None:
    source_url = f"http://{running.source.host}:{running.source.port}"
    adviser_url = f"http://{running.adviser.host}:{running.adviser.port}"
    page = _context(browser, "nl").new_page()
    page.goto(source_url)
    _screenshot(page, "source-start")
    small = _context(browser, "nl", dark=True, width=320).new_page()
    small.goto(source_url)
    _screenshot(small, "source-start-dark-small")
    passphrases = [
        _start_mailbox(_context(browser, "nl").new_page(), source_url, story, with_screenshots=number == 0)
        for number, story in enumerate(_STORIES)
    ]
    desk = _context(browser, "nl").new_page()
    desk.goto(adviser_url)
    _screenshot(desk, "adviser-unlock")
    desk.locator("input[type=password]").fill(running.desk.passphrase)
    desk.locator("main form button").click()
    while desk.locator("progress").count():  # the store is being verified and read
        desk.wait_for_timeout(500)
        desk.goto(f"{adviser_url}/inbox?still=1")
    _screenshot(desk, "adviser-inbox")
    for row in range(len(_STORIES)):
        desk.goto(f"{adviser_url}/inbox?state=waiting")
        desk.locator(".row .label").nth(row).click()
        if _STORIES[0][:40] in desk.content():
            break
    _screenshot(desk, "adviser-thread")
    thread = desk.url
    desk.locator("main a[data-look]").first.click()
    desk.locator("[data-look=ready]").wait_for()  # the page renews itself while the file is converted
    _screenshot(desk, "adviser-look")
    desk.goto(f"{adviser_url}/keys")
    _screenshot(desk, "adviser-keys")
    desk.goto(thread)
    desk.locator("#text").fill(_ANSWER)
    desk.locator("form.answering button").last.click()  # the buttons before it help with writing
    desk.locator("#sent").wait_for()
    page.goto(f"{source_url}/nl/log-in")
    page.locator("main textarea").fill(passphrases[0])
    page.locator("main form button").first.click()
    _screenshot(page, "source-mailbox")


def main() -> None:
    """Set up a desk, play a conversation in both interfaces, and take screenshots of it."""
    with (
        processes.folder_on_disk() as folder,
        desk_servers.serve_all(desk_servers.set_up(folder / "var")) as running,
        sync_playwright() as playwright,
    ):
        browser = start_chromium(playwright)
        _take_screenshots(browser, running)
        browser.close()


if __name__ == "__main__":
    main()
