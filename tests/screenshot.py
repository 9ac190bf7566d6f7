"""Photograph a published page: ``python tests/screenshot.py PAGE OUT.png [--width 1280] [--dark] [--cell N]``."""

from __future__ import annotations

import argparse
from pathlib import Path

from unit.browser import browser


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path, help="folder of a page, such as leaderboards/mini/v3")
    parser.add_argument("out", type=Path)
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=800)
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--full", action="store_true", help="the whole page, not the first screen")
    parser.add_argument("--cell", type=int, help="open the examples behind the n-th value (from 0)")
    wanted = parser.parse_args()
    with browser() as running:
        page = running.new_page(
            viewport={"width": wanted.width, "height": wanted.height},
            color_scheme="dark" if wanted.dark else "light",
            reduced_motion="reduce",
        )
        page.goto((wanted.page / "index.html").resolve().as_uri())
        if wanted.full:
            for image in page.locator("img").all():  # they are loaded when they come into view
                image.scroll_into_view_if_needed()
                image.evaluate("image => image.decode()")
        if wanted.cell is not None:
            page.locator("button[data-cell]").nth(wanted.cell).click()
            page.locator(".examples > li").first.wait_for()
        page.screenshot(path=wanted.out, full_page=wanted.full)


if __name__ == "__main__":
    main()
