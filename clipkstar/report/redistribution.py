"""Whether a data set's pictures may be shown in a page that is passed on, by its licence as the task states it."""

from __future__ import annotations

import re

FREE = (
    r"MIT(-0)?",
    r"Apache-2\.0",
    r"BSD-[23]-Clause",
    r"CC0(-1\.0)?",
    r"CC-BY(-SA)?(-[1-4]\.\d)?",
    r"CDLA-Permissive-[12]\.0",
    r"ODC-By-1\.0|PDDL-1\.0",
    r"Unlicense",
    r"public domain",
)
"""Licences that let anybody pass pictures on, changed and for any purpose; source: their texts, names as in SPDX."""


def may_redistribute(license_name: str) -> bool:
    """Whether a licence is known to let anybody pass pictures on, made smaller, with credit.

    license_name: Task.license. It has to be the name of one such licence and nothing else: terms that limit the use
    (NC), forbid changes (ND), or add a condition, and what is not known, are no permission.
    """
    name = re.sub(r"[\s_]+", "-", license_name.strip().removesuffix("."))
    return any(re.fullmatch(pattern.replace(" ", "-"), name, flags=re.IGNORECASE) for pattern in FREE)
