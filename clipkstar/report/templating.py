"""How the pages of a report are filled in: every text escaped, and nothing ever fetched from outside."""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from clipkstar import wording
from clipkstar.shown_names import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    import jinja2
    from markupsafe import Markup

TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, **context: object) -> str:
    """Fill a template of this package in; what is no `Markup` is escaped, a name that is not given is an error."""
    return _environment().get_template(template).render(**context)


def markup(text: str) -> Markup:
    """Declare text of our own making, such as a chart's SVG, to be HTML."""
    from markupsafe import Markup

    return Markup(text)  # noqa: S704


@cache
def _environment() -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        autoescape=True,
        finalize=_finalize,
        loader=jinja2.FileSystemLoader(TEMPLATES),
        lstrip_blocks=True,
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    for function in (wording.number, wording.percent, wording.interval, wording.p_value, wording.counted):
        environment.filters[function.__name__] = function
    environment.globals |= {"asset": asset, "policy": policy}
    return environment


def asset(name: str) -> Markup:
    """Return the text of a style sheet or script of this package, to stand inside the page."""
    return markup((TEMPLATES / name).read_text(encoding="utf-8"))


def policy(scripts: Sequence[str]) -> str:
    """Return the Content-Security-Policy of a page that may run these scripts of ours and may fetch nothing."""
    hashes = [f"'sha256-{b64encode(sha256(asset(name).encode()).digest()).decode()}'" for name in scripts]
    allowed = " ".join(hashes) or "'none'"
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )


def _finalize(value: object) -> object:
    from markupsafe import Markup

    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
