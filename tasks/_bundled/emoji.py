"""The emoji of two vendors: matched to Unicode by code point, rendered, and split by concept."""

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .concepts import base_concept, is_held_out
from .fetch import npm_text
from .split import Part, Source, separate

NAMES = "unicode-emoji-json@0.9.0"
VENDORS = {"emoji_noto": "@iconify-json/noto@1.2.9", "emoji_fluent": "@iconify-json/fluent-emoji-flat@1.2.6"}
SIZE = 64
MIN_CONCEPTS = 20  # a group with fewer is left out: neither vendor ships country flags, and eight other flags remain


@dataclass(frozen=True, kw_only=True)
class _Emoji:
    code_point: str
    name: str
    group: str


class _Icon(TypedDict, total=False):
    """An iconify icon (it has a body) or an alias (it has a parent, perhaps turned or flipped)."""

    body: str
    parent: str
    hFlip: bool
    vFlip: bool
    rotate: int


class _IconSet(TypedDict):
    icons: dict[str, _Icon]
    aliases: dict[str, _Icon]
    width: int
    height: int


def _code_point(code: str) -> str:
    """'00a9' as 'a9', '2764-fe0f' as '2764': vendors differ in leading zeros and in the variation selector."""
    return "-".join(part.lstrip("0") for part in code.lower().split("-") if part != "fe0f")


def _unicode_emoji(work: Path) -> list[_Emoji]:
    """All emoji in Unicode order; that list has no skin-tone variants and no components."""
    table: dict[str, dict[str, str]] = json.loads(npm_text(work, NAMES, "data-by-emoji.json"))
    return [
        _Emoji(
            code_point=_code_point("-".join(f"{ord(letter):x}" for letter in characters)),
            name=entry["name"],
            group=entry["group"],
        )
        for characters, entry in table.items()
    ]


def _svg(icon_set: _IconSet, name: str) -> str:
    """The icon as an SVG document, aliases followed."""
    width, height = icon_set["width"], icon_set["height"]
    icon, turns = icon_set["icons"].get(name), ""
    while icon is None:
        alias = icon_set["aliases"][name]
        if alias.get("rotate"):
            turns += f"rotate({90 * alias['rotate']} {width / 2} {height / 2}) "
        if alias.get("hFlip") or alias.get("vFlip"):
            x, y = bool(alias.get("hFlip")), bool(alias.get("vFlip"))
            turns += f"translate({width * x} {height * y}) scale({1 - 2 * x} {1 - 2 * y}) "
        name = alias["parent"]
        icon = icon_set["icons"].get(name)
    body = f'<g transform="{turns.strip()}">{icon["body"]}</g>' if turns else icon["body"]
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">{body}</svg>'


def _render(svg: str) -> NDArray[np.uint8]:
    """(SIZE, SIZE, 3) on white."""
    from resvg_py import svg_to_bytes

    png = svg_to_bytes(svg_string=svg, width=SIZE, height=SIZE, background="white", skip_system_fonts=True)
    with Image.open(io.BytesIO(png)) as picture:
        return np.asarray(picture.convert("RGB"))


def _group_names(emoji: Sequence[_Emoji]) -> tuple[str, ...]:
    """The groups with enough concepts, in Unicode order."""
    concepts: dict[str, set[str]] = {}
    for one in emoji:
        concepts.setdefault(one.group, set()).add(base_concept(one.name))
    return tuple(group for group, names in concepts.items() if len(names) >= MIN_CONCEPTS)


def loader(name: str) -> Callable[[Path], Source]:
    """The loader of one vendor: held-out concepts give their first picture, training concepts all of theirs."""

    def load(work: Path) -> Source:
        icon_set: _IconSet = json.loads(npm_text(work, VENDORS[name], "icons.json"))
        by_code: dict[str, str] = json.loads(npm_text(work, VENDORS[name], "chars.json"))
        icons = {_code_point(code): icon for code, icon in by_code.items()}
        drawn = [one for one in _unicode_emoji(work) if one.code_point in icons]
        groups = _group_names(drawn)
        drawn = [one for one in drawn if one.group in groups]
        concepts = [base_concept(one.name) for one in drawn]
        everything = Part(
            pictures=np.stack([_render(_svg(icon_set, icons[one.code_point])) for one in drawn]),
            labels=np.array([groups.index(one.group) for one in drawn], dtype=np.int64),
            names=tuple(one.name for one in drawn),
            code_points=tuple(one.code_point for one in drawn),
        )
        held = np.array([is_held_out(concept) for concept in concepts])
        first = np.array([concept not in concepts[:row] for row, concept in enumerate(concepts)])
        train, held_out = separate(
            everything.take(np.flatnonzero(~held)), everything.take(np.flatnonzero(held & first)), near=True
        )
        return Source(name=name, class_names=groups, train=train, held_out=held_out)

    return load
