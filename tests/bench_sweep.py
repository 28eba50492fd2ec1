"""`make bench`, third part: sweeps, against CLIP_benchmark's own command line, and against doing work again.

CLIP_benchmark lives in .venv-peers, which `make .venv-peers/.installed` builds. Both sides of each ratio are measured
in this run, in turns, as users type the commands: on the CPU, in fp32, nothing in their caches.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from clipkstar.encoders import zoo
from tests import bench_eval, bench_memory, bench_reuse
from tests.bench_photos import HEIGHT, WIDTH, photos, write_photos
from tests.bench_user import User, seconds
from tests.watched_process import Watched

PEERS = Path(__file__).parent.parent / ".venv-peers" / "bin"

MODELS = ("tiny-p8", "tiny-p8-data1", "tiny-p8-data10", "tiny-p8-seed1", "tiny-p16")
SWEEP = ("sweep", *(word for model in MODELS for word in ("--model", model)))
EVAL = ("eval", "--model", "tiny-p8", "--pretrained", "final")

CHECKPOINTS = (
    *("tiny-p8/final", "tiny-p8/stage1", "tiny-p8/stage2", "tiny-p8/stage3"),
    *("tiny-p8-data1/final", "tiny-p8-data10/final", "tiny-p8-seed1/final", "tiny-p16/final"),
)
"""All tags of the models: several training runs, one with its stages; all of one geometry."""

WORKERS = ("4", "2")
"""Of CLIP_benchmark's loader: its default, and one for each core of a small machine; one run each."""

NAMES = {"top1": "acc1", "top5": "acc5", "mean_class_recall": "mean_per_class_recall"}
"""Our name of a score → CLIP_benchmark's."""

OURS = {
    "zero-shot scores on both sides": ("--metric", "zero_shot"),
    "zero-shot scores there; here also k*, its intervals and the other metrics": (),
}

Scores = dict[str, dict[str, float]]
"""Model → score, by our name → value."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Runs of the same checkpoints, in turns: CLIP_benchmark's, and ours by what they compute, a key of OURS."""

    theirs: list[Watched]
    ours: dict[str, list[Watched]]


def against_clip_benchmark(root: Path, n_pictures: int) -> None:
    """Compare one checkpoint, then eight."""
    compared = {1: compare(root, CHECKPOINTS[:1], n_pictures), len(CHECKPOINTS): compare(root, CHECKPOINTS, n_pictures)}
    for n_checkpoints, found in compared.items():
        theirs = seconds(*found.theirs)
        for what, runs in found.ours.items():
            print(
                f"  {n_checkpoints} checkpoints, {what}: CLIP_benchmark takes {theirs / seconds(*runs):.1f} times as "
                f"long ({theirs:.1f} s and {seconds(*runs):.1f} s)",
                flush=True,
            )
    one, all_of_them = compared.values()
    more = len(CHECKPOINTS) - 1
    theirs = (seconds(*all_of_them.theirs) - seconds(*one.theirs)) / more
    for what, runs in all_of_them.ours.items():
        ours = (seconds(*runs) - seconds(*one.ours[what])) / more
        print(f"  each further checkpoint, {what}: {theirs:.2f} s with CLIP_benchmark, {ours:.2f} s with clipkstar")
    peaks = [max(run.peak_bytes for runs in found.ours.values() for run in runs) for found in compared.values()]
    print(
        f"  peak memory of clipkstar: {peaks[0] / 1e6:.0f} MB with 1 checkpoint, {peaks[1] / 1e6:.0f} MB with "
        f"{len(CHECKPOINTS)}: {peaks[1] / peaks[0]:.2f} times as much",
        flush=True,
    )


def compare(root: Path, names: Sequence[str], n_pictures: int) -> Compared:
    """Run both sides in turns; ends the benchmark if accuracies differ or a picture is not decoded exactly once."""
    command = SWEEP if len(names) > 1 else EVAL
    compared = Compared(theirs=[], ours={what: [] for what in OURS})
    for workers in WORKERS:
        # open_clip looks for the zoo's vocabulary, "../../bpe.txt.gz", from the working directory.
        peer = User(folder=root / f"peer-{len(names)}-{workers}" / "of" / "models", data=root / "data")
        compared.theirs.append(run_theirs(peer, names, workers=workers))
        for number, (what, metrics) in enumerate(OURS.items()):
            user = User(folder=root / f"user-{len(names)}-{workers}-{number}", data=root / "data")
            compared.ours[what].append(user.clipkstar(*command, *metrics, *user.photos()))
            if our_scores(user) != their_scores(peer, names):
                raise SystemExit(f"accuracies differ: {our_scores(user)} here, {their_scores(peer, names)} there.")
            if user.n_decoded != n_pictures:
                raise SystemExit(f"{user.n_decoded} pictures were decoded for {n_pictures}.")
    print(
        f"  {len(names)} checkpoints: all accuracies equal those of CLIP_benchmark; clipkstar decoded {n_pictures} "
        "pictures, each once",
        flush=True,
    )
    return compared


def run_theirs(peer: User, checkpoints: Sequence[str], *, workers: str) -> Watched:
    """Run one `clip_benchmark eval` over the checkpoints, with what it needs to find them."""
    peer.folder.mkdir(parents=True)
    for link, target in {"../../bpe.txt.gz": "bpe.txt.gz"}.items() | {(_flat(name), name) for name in checkpoints}:
        (peer.folder / link).symlink_to(zoo.FOLDER / target)
    return peer.run(
        *(PEERS / "clip_benchmark", "eval", "--task", "zeroshot_classification", "--no_amp"),
        *("--pretrained", "of_the_folder", "--model", *(f"local-dir:{_flat(name)}" for name in checkpoints)),
        *("--dataset", "wds/photos", "--dataset_root", f"{peer.data}/photos", "--num_workers", workers),
        *("--output", f"{peer.folder}/{{model}}.json"),
    )


def _flat(checkpoint: str) -> str:
    return checkpoint.replace("/", "--")


def their_scores(peer: User, checkpoints: Sequence[str]) -> Scores:
    """Read what CLIP_benchmark found."""
    files = {name: peer.folder / f"local-dir:{_flat(name)}.json" for name in checkpoints}
    found = {checkpoint: json.loads(file.read_text())["metrics"] for checkpoint, file in files.items()}
    return {name: {ours: metrics[theirs] for ours, theirs in NAMES.items()} for name, metrics in found.items()}


def our_scores(user: User) -> Scores:
    """Read what our runs say of the same scores."""
    return {
        f"{record['checkpoint']['model']}/{record['checkpoint']['pretrained']}": {
            name: record["scores"][name] for name in NAMES
        }
        for record in user.records
    }


def main() -> None:
    """Print one line per comparison."""
    with TemporaryDirectory() as folder:
        root = Path(folder)
        pictures = photos()
        write_photos(root / "data" / "photos", pictures)
        size = sum(len(jpeg) for jpeg, _ in pictures) / len(pictures) / 1000
        print(f"sweep over {len(pictures)} JPEGs of {WIDTH}×{HEIGHT} of {size:.0f} kB:", flush=True)
        against_clip_benchmark(root, len(pictures))
        print("one large encoder:", flush=True)
        bench_eval.main(root)
        print("work that is there already:", flush=True)
        bench_reuse.main(root)
        print("memory of a sweep:", flush=True)
        bench_memory.main(root, pictures)


if __name__ == "__main__":
    main()
