"""`make bench`, last part: a report of 200 models on 40 data sets, and its page in a browser."""

import shutil
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Page, sync_playwright

from tests.bench_user import User
from tests.browser import FLAGS
from tests.synthetic_store import make_store

N_MODELS, N_DATA_SETS = 200, 40
N_CLASSES = (10, 100, 1000, 47)
"""Of the data sets in turn."""

MOST_BYTES = 15_000_000
"""Of index.html."""


def main() -> None:
    """Print what the report takes beside reading the same records alone, and what the browser takes."""
    with TemporaryDirectory() as place:
        root = Path(place)
        make_store(root / "runs", n_models=N_MODELS, n_data_sets=N_DATA_SETS, n_classes=N_CLASSES, n_perfect=2)
        user = User(folder=root / "user", data=root)
        made = user.clipkstar("report", str(root / "runs"), "--out", str(root / "report"))
        started = time.perf_counter()
        n_bytes = sum(len(record.read_bytes()) for record in (root / "runs").glob("*/*/*/run.json"))
        reading = time.perf_counter() - started
        page = root / "report" / "index.html"
        print(
            f"report of {N_MODELS} models on {N_DATA_SETS} data sets, pages of single runs included: "
            f"{made.seconds:.0f} s and {made.peak_bytes / 1e6:.0f} MB; reading its records alone ({n_bytes / 1e6:.0f} "
            f"MB) takes {reading:.1f} s; index.html has {page.stat().st_size / 1e6:.1f} MB",
            flush=True,
        )
        if page.stat().st_size > MOST_BYTES:
            sys.exit(f"index.html should have at most {MOST_BYTES / 1e6:.0f} MB.")
        in_browser(page)


def in_browser(file: Path) -> None:
    """Print how long a browser takes to open the page and to sort its table."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        sys.exit("there is no Chromium to open the page in; install it (apt-get install chromium).")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        page = browser.new_page()
        started = time.perf_counter()
        page.goto(file.as_uri(), wait_until="load")
        opened = time.perf_counter() - started
        sorts = [sorting(page, column) for column in range(4)]
        browser.close()
    print(f"  in Chromium: open after {opened:.1f} s, sorted by a column in at most {max(sorts):.2f} s", flush=True)


def sorting(page: Page, column: int) -> float:
    """Return the seconds from a click on a header of the table of models to the next frame that is drawn."""
    milliseconds: float = page.evaluate(
        """async column => {
            const buttons = document.querySelectorAll("#leaderboard thead button");
            const started = performance.now();
            buttons[column].click();
            await new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)));
            return performance.now() - started;
        }""",
        column,
    )
    return milliseconds / 1000


if __name__ == "__main__":
    main()
