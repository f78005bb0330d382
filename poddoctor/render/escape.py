"""Hostile text made visible: what a cluster sends must not move the cursor or turn the line around."""

from __future__ import annotations

import unicodedata


def visible(text: str) -> str:
    """The text on one line; control, escape and bidirectional characters become their hexadecimal number."""
    return "".join(_shown(character) for character in text.replace("\r\n", "\n").strip())


def _shown(character: str) -> str:
    if character == "\n":
        return " ⏎ "
    if character == "\t":
        return " "
    category = unicodedata.category(character)
    # Cc control, Cf format (bidirectional marks, zero width), Cs surrogate, Co private, Zl/Zp separators.
    if category in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp"):
        code = ord(character)
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    return character
