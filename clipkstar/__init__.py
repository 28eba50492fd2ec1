"""clipkstar: zero-shot accuracy and k* structure of CLIP image encoders, measured in one pass."""

from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clipkstar.api import KstarResult, kstar
    from clipkstar.in_training import evaluate

__all__ = ["KstarResult", "evaluate", "kstar"]

__version__ = version("clipkstar")


def __getattr__(name: str) -> object:
    """Import the public functions when they are first used, so that `import clipkstar` and the CLI start at once."""
    if name not in __all__:
        raise AttributeError(f"module 'clipkstar' has no attribute '{name}'")
    from clipkstar import api, in_training

    return in_training.evaluate if name == "evaluate" else getattr(api, name)
