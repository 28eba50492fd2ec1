"""Which emoji are pictures of one concept, and on which side of the split a concept falls.

The zoo is trained on some emoji and evaluated on others. "man running" beside "woman running" would make that a memory
test, so near-identical pictures are one concept, and concepts are split, the same way for both vendors.
"""

import hashlib
import re

HELD_OUT_FRACTION = 0.4

# Near-identical pictures share a base concept. The name loses the words below, then what follows " with " (but not
# after "face", where it is the whole difference), then plural endings; a few families have one name each.
_VARIANT_WORDS = re.compile(
    r"\b(?:man|men|woman|women|person|people|boy|girl|child|older|old|adult|mrs|mx|santa|"  # who it is
    r"left|right|up|down|leftwards|rightwards|upwards|downwards|facing|tilted|curving|oncoming|backhand|"  # which way
    r"red|orange|yellow|green|blue|purple|brown|black|white|pink|grey|light|dark|"  # which colour
    r"large|medium|small|low|high|muted|increasing|decreasing|open|closed|raised|lowered|not|done|"  # which state
    r"yen|dollar|euro|pound|[1-3](?:st|nd|rd))\b(?:’s)?",
    re.IGNORECASE,
)
_FAMILIES = (
    ("clock face", re.compile(r"o’clock$|-thirty$")),
    ("moon", re.compile(r"\bmoon\b(?! cake| viewing)")),
    ("family", re.compile(r"^family\b")),
    ("kiss of two", re.compile(r"^kiss(?: \w+, \w+)?$")),
    ("cat", re.compile(r"\bcat\b")),
    ("monkey", re.compile(r"\bmonkey\b")),
    ("keycap", re.compile(r"^keycap\b")),
    ("Japanese button", re.compile(r"^Japanese .*button$")),
    ("globe", re.compile(r"^globe\b")),
    ("merperson", re.compile(r"^mer(?:person|man|maid)$")),
    ("prince", re.compile(r"^prince")),
    ("feeding baby", re.compile(r"feeding\b")),
    ("lock", re.compile(r"^(?:un)?locked\b")),
    ("couple", re.compile(r"^couple\b")),
    ("heart", re.compile(r"^(?!anatomical|smiling).*\bhearts?$|^heart (?:with|decoration)")),
    ("hair", re.compile(r"\bhair$|\bbeard$|\bbald$")),
)


def base_concept(name: str) -> str:
    """The concept that an emoji name is a variant of; all pictures of a concept fall on the same side of the split."""
    for family, pattern in _FAMILIES:
        if pattern.search(name):
            return family
    words = _VARIANT_WORDS.sub(" ", name.replace("-facing", " "))
    head, _, tail = " ".join(words.split()).partition(" with ")
    base = head if head and not head.endswith("face") else f"{head} {tail}".strip()
    base = re.sub(r" face$", "", base) if " " in base else base
    return re.sub(r"(?<=[a-z]{2}[^aisu\W])s\b", "", base).strip(" ,-").lower() or "person"


def is_held_out(concept: str) -> bool:
    """The side of a concept: a hash of its name, so it is the same for both vendors."""
    digest = hashlib.sha256(f"clipkstar emoji split 1: {concept}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < HELD_OUT_FRACTION * 2**64
