"""A real Chromium for tests of pages, driven by Playwright: no network, and every request that is no file is kept."""

import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-extensions",
    "--disable-sync",
    "--metrics-recording-only",
    "--no-first-run",
    "--no-pings",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)
"""Nothing but the page itself may ask for anything, and no name is ever resolved."""

WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 740}


@dataclass
class Watched:
    """An open page. requests: addresses it asked for that are no files. complaints: errors in its console."""

    page: object
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def assert_quiet(self):
        assert (self.requests, self.complaints) == ([], [])


@pytest.fixture(scope="module")
def chromium():
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("there is no Chromium; install it to test the pages of reports (apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, headless=True, args=list(FLAGS))
        yield browser
        browser.close()


@contextmanager
def opened(browser, file, *, viewport=WIDE, scheme="light", media="screen", script=True):
    """Open a file of this machine and watch it; the context is offline, requests beyond the disk are blocked."""
    context = browser.new_context(viewport=viewport, color_scheme=scheme, offline=True, java_script_enabled=script)
    try:
        page = context.new_page()
        page.emulate_media(media=media, color_scheme=scheme)
        watched = Watched(page)
        page.on("console", lambda message: _keep(watched, message))
        page.on("pageerror", lambda error: watched.complaints.append(str(error)))
        page.route("**/*", lambda route: _let_through(watched, route))
        page.goto(Path(file).resolve().as_uri())
        yield watched
    finally:
        context.close()


def _keep(watched, message):
    if message.type in ("error", "warning"):
        watched.complaints.append(message.text)


def _let_through(watched, route):
    address = route.request.url
    if address.startswith(("file:", "data:")):
        route.continue_()
    else:
        watched.requests.append(address)
        route.abort()


def findings(page):
    """Return what axe finds serious or critical, as "rule: element"."""
    from axe_playwright_python.sync_playwright import Axe

    violations = Axe().run(page).response["violations"]
    return [
        f"{violation['id']}: {node['html'][:200]}"
        for violation in violations
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]


def keep_screenshot(page, name, tmp_path, *, full=False):
    """Take a picture of the page, into $CLIPKSTAR_SCREENSHOTS where that is set, to be looked at."""
    folder = Path(os.environ.get("CLIPKSTAR_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.png"
    page.screenshot(path=file, full_page=full)
    return file
