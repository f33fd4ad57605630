"""Elements of HTML and SVG."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from functools import cache
from importlib.resources import files
from typing import Final

Element = ET.Element
Child = Element | str | None

_UNPRINTABLE: Final = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that are invalid in documents; node ids of generated parameters contain them."""


def element(tag: str, *children: Child, **attributes: object) -> Element:
    """Make an element; ``class_`` and ``stroke_width`` become ``class`` and ``stroke-width``.

    Attributes and children that are None are left out.
    """
    texts = {_name(k): _printable(str(v)) for k, v in attributes.items() if v is not None}
    parent = Element(tag, texts)
    for child in children:
        append(parent, child)
    return parent


def append(parent: Element, child: Child) -> None:
    """Append a child element or text."""
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


def document(title: str, *body: Child) -> str:
    """Return a whole page that needs nothing else.

    Args:
        body: content after the link that skips the top.
    """
    return html_text(
        element(
            "html",
            element(
                "head",
                element("meta", charset="utf-8"),
                element("meta", name="viewport", content="width=device-width, initial-scale=1"),
                element("meta", name="color-scheme", content="light dark"),
                element("title", title),
                element("style", packaged("style.css")),
            ),
            element(
                "body",
                element("a", "Skip to the samples", href="#samples", class_="skip"),
                *body,
            ),
            lang="en",
        )
    )


def html_text(root: Element) -> str:
    """Return the whole document."""
    return "<!DOCTYPE html>\n" + ET.tostring(root, encoding="unicode", method="html") + "\n"


def packaged(name: str) -> str:
    """The text of a file that lies next to this module, also in a zipped installation."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _printable(text: str) -> str:
    return text if text.isprintable() else _UNPRINTABLE.sub("\ufffd", text)


@cache  # a few dozen names, used hundreds of thousands of times
def _name(attribute: str) -> str:
    return attribute.rstrip("_").replace("_", "-") if attribute != "viewBox" else attribute
