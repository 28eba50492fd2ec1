"""`make bench`: work that was done before, which a further checkpoint or the same sweep once more does not repeat."""

import sys
from pathlib import Path

from tests.bench_user import User, seconds

FINISHED = ("--model", "tiny-p8", "--model", "tiny-p4", "--pretrained", "*")
"""Eight checkpoints."""

ADDED = ("tiny-shallow", "tiny-deep")
"""Further ones of the same geometry, added one after the other."""

ALL = ("--model", "tiny-*", "--pretrained", "final", "--suite", "bundled")
N_RUNS = 40


def main(root: Path) -> None:
    """Print one line per comparison."""
    add_checkpoints(root)
    sweep_again(root)


def add_checkpoints(root: Path) -> None:
    """Compare a finished sweep with one more checkpoint, and that checkpoint alone."""
    user = User(folder=root / "user-added", data=root / "data")
    sweep = ["sweep", *FINISHED, *user.photos()]
    user.clipkstar(*sweep)
    adding, alone = 0.0, 0.0
    for name in ADDED:
        sweep += ["--model", name]
        adding += user.clipkstar(*sweep).seconds
        other = User(folder=root / f"user-{name}", data=root / "data")
        alone += other.clipkstar("eval", "--model", name, "--pretrained", "final", *other.photos()).seconds
    print(
        f"  one checkpoint more in a finished sweep takes {adding / alone:.2f} of evaluating it alone "
        f"({adding / len(ADDED):.1f} s and {alone / len(ADDED):.1f} s, means of {len(ADDED)}; all scores)",
        flush=True,
    )


def sweep_again(root: Path) -> None:
    """Compare a finished sweep of 40 runs, once more, with importing torch."""
    user = User(folder=root / "user-all", data=root / "data")
    first = user.clipkstar("sweep", *ALL)
    if len(user.records) != N_RUNS:
        raise SystemExit(f"the sweep has {len(user.records)} runs; it should have {N_RUNS}.")
    again, imports = [], []
    for _ in range(3):
        again.append(user.clipkstar("sweep", *ALL))
        imports.append(user.run(sys.executable, "-c", "import torch"))
    share = seconds(*again) / seconds(*imports)
    print(
        f"  a finished sweep of {N_RUNS} runs once more: {seconds(*again):.2f} s, {share:.2f} of 'import torch' "
        f"({seconds(*imports):.2f} s; its first run took {first.seconds:.1f} s)",
        flush=True,
    )
