"""Checks of one page in every look: light, dark, printed, with forced colours, wide and at 320 px."""

import hashlib
import subprocess
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Page

_CACHE = Path(".cache")
_AXE = "axe-core-4.14.1.tgz"
_AXE_SHA256 = "e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745"
_ALL = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
_COLOURS = ("color-contrast", "link-in-text-block")
_SCREEN = {"media": "screen", "color_scheme": "light", "forced_colors": "none"}
# Every rule of axe once. A wide page differs only in its layout, and a dark or printed page in its colours.
# 320 px is the width of a screen of 1,280 px at 400 % zoom.
LOOKS = (
    ({}, 320, _ALL),
    ({}, 1000, ("target-size", "scrollable-region-focusable")),
    ({"color_scheme": "dark"}, 320, _COLOURS),
    ({"media": "print"}, 640, _COLOURS),
)
# Only violations: most results of axe are passes, and transferring those takes longer than the check itself.
_RUN = """async runOnly => (await axe.run(document, {runOnly, resultTypes: ["violations"]})).violations.map(
    fault => `${fault.id} ${JSON.stringify(fault.nodes.map(node => node.target))}`
)"""
_IS_WIDE = "() => document.documentElement.scrollWidth > window.innerWidth"
# Forced colours remove every background, so a button or field needs a border, and a link an underline. Each
# must also show when it has the focus.
_CONTROLS = """() => {
    const faults = [];
    for (const control of document.querySelectorAll("a[href], button, input, select, textarea, summary")) {
        if (!control.checkVisibility() || control.type === "hidden") continue;
        const style = getComputedStyle(control), name = control.outerHTML.slice(0, 80);
        const has_border = style.borderBottomStyle !== "none" && parseFloat(style.borderBottomWidth) > 0;
        const is_native = control.matches("summary, [type=checkbox], [type=radio], [type=file]");
        const is_shown = has_border || is_native || style.textDecorationLine === "underline"
            || control.matches(".home");
        if (!is_shown) faults.push(`no border: ${name}`);
        if (style.forcedColorAdjust !== "auto") faults.push(`keeps its own colours: ${name}`);
        control.focus();
        const {outlineStyle, outlineWidth} = getComputedStyle(control);
        if (outlineStyle === "none" || parseFloat(outlineWidth) < 2) faults.push(`no focus: ${name}`);
        if (control.tabIndex !== 0) faults.push(`out of order: ${name}`);
    }
    return faults;
}"""


def fetch_axe(folder: Path) -> str:
    """Fetch axe-core by name and version, and return its script only if its SHA-256 is the one we chose."""
    kept = _CACHE / _AXE
    if not kept.exists():
        _CACHE.mkdir(exist_ok=True)
        command = ["npm", "pack", "--silent", "axe-core@4.14.1"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        (folder / _AXE).replace(kept)
    assert hashlib.sha256(kept.read_bytes()).hexdigest() == _AXE_SHA256
    with tarfile.open(kept) as package:
        script = package.extractfile("package/axe.min.js")
        assert script is not None
        return script.read().decode()


@dataclass
class Inspector:
    """Checker of pages, which collects the faults that it finds. `looks` are some of `LOOKS`."""

    axe: str = field(repr=False)
    looks: tuple[tuple[dict[str, str], int, tuple[str, ...]], ...] = LOOKS
    pages: int = 0
    faults: list[str] = field(default_factory=list)

    def check(self, page: Page, name: str = "") -> None:
        self.pages += 1
        name = name or page.title()
        page.wait_for_load_state("load")  # before the stylesheet is loaded, the page is not what people see
        if not page.evaluate("() => 'axe' in window"):
            page.evaluate(self.axe)
        for media, width, rules in self.looks:
            page.emulate_media(**{**_SCREEN, **media})  # type: ignore[arg-type]
            page.set_viewport_size({"width": width, "height": 900})
            page.evaluate("() => window.scrollTo(0, 0)")  # an error scrolls, and the bar then hides a link
            found: list[str] = page.evaluate(_RUN, list(rules))
            if page.evaluate(_IS_WIDE):
                found.append("wider than the screen")
            self.faults += [f"{name} {media} {width}: {fault}" for fault in found]
        page.keyboard.press("Tab")  # after a click, a browser does not show which control has the focus
        page.emulate_media(**{**_SCREEN, "forced_colors": "active"})  # type: ignore[arg-type]
        self.faults += [f"{name}, forced colours: {fault}" for fault in page.evaluate(_CONTROLS)]
        page.emulate_media(**_SCREEN)  # type: ignore[arg-type]
        page.set_viewport_size({"width": 1000, "height": 900})
