"""Elements of HTML and SVG."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import Final

Element = ET.Element
Child = Element | str | None

_UNPRINTABLE: Final = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no document may contain; node ids of generated parameters do."""


def element(tag: str, *children: Child, **attributes: object) -> Element:
    """An element; ``class_`` and ``stroke_width`` mean ``class`` and ``stroke-width``.

    Attributes that are None are left out, and so are children.
    """
    element_ = Element(
        tag, {_name(k): _printable(v) for k, v in attributes.items() if v is not None}
    )
    for child in children:
        append(element_, child)
    return element_


def append(parent: Element, child: Child) -> None:
    """Add a child; texts follow whatever is there already."""
    if child is None:
        return
    if not isinstance(child, str):
        parent.append(child)
        return
    text = _printable(child)
    if len(parent):
        parent[-1].tail = (parent[-1].tail or "") + text
    else:
        parent.text = (parent.text or "") + text


def html_text(root: Element) -> str:
    """The whole document."""
    return "<!DOCTYPE html>\n" + ET.tostring(root, encoding="unicode", method="html") + "\n"


def _printable(value: object) -> str:
    return _UNPRINTABLE.sub("\ufffd", str(value))


def _name(attribute: str) -> str:
    return attribute.rstrip("_").replace("_", "-") if attribute != "viewBox" else attribute
