"""Execute the notebooks beside this file and keep their outputs: `python -m notebooks.execute` (`make notebooks`).

What differs from run to run (times) and from machine to machine (the version of Python) is not written.
"""

from __future__ import annotations

import io
import os
from base64 import b64decode, b64encode
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient
from PIL import Image
from traitlets.config import Config

FOLDER = Path(__file__).parent
SECONDS_PER_CELL = 240
N_COLORS = 128
"""A picture of a few colours needs no 32 bits a pixel: with a palette it takes a tenth of the space."""

# Small searches gain nothing from threads and lose much where other work keeps the cores busy.
ENVIRONMENT = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}


def execute(file: Path, folder: Path) -> nbformat.NotebookNode:
    """Run a notebook from top to bottom in a folder, without the network; the file stays as it is.

    Raises CellExecutionError for the first cell that fails.
    """
    notebook = nbformat.read(file, as_version=nbformat.NO_CONVERT)
    with TemporaryDirectory() as private:
        own = dict.fromkeys(("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR"), private)
        files = {"transport": "ipc", "connection_file": f"{private}/kernel.json"}  # sockets there, not open ports
        client = NotebookClient(
            notebook,
            config=Config({"KernelManager": files}),
            timeout=SECONDS_PER_CELL,
            record_timing=False,
            resources={"metadata": {"path": str(folder)}},
        )
        client.execute(env=os.environ | ENVIRONMENT | own)
    notebook.metadata.language_info = {"name": "python"}
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if "image/png" in output.get("data", {}):
                output.data["image/png"] = _with_palette(output.data["image/png"])
    return notebook


def _with_palette(png: str) -> str:
    picture = io.BytesIO()
    colors = Image.open(io.BytesIO(b64decode(png))).convert("RGB").quantize(N_COLORS, dither=Image.Dither.NONE)
    colors.save(picture, "PNG", optimize=True)
    return b64encode(picture.getvalue()).decode()


if __name__ == "__main__":
    for file in sorted(FOLDER.glob("*.ipynb")):
        with TemporaryDirectory() as folder:
            nbformat.write(execute(file, Path(folder)), file)
