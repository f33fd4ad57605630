"""The documentation site: Sphinx with MyST and furo, built by `make docs`."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
sys.path.insert(0, str(HERE))

import pytest_hancock_latency  # noqa: E402

project = "pytest-hancock-latency"
author = "pytest-hancock-latency contributors"
copyright = author
version = release = pytest_hancock_latency.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "generated_pages",
]
exclude_patterns = ["_build"]
nitpicky = False

html_theme = "furo"
html_title = "pytest-hancock-latency"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False

myst_enable_extensions = ["colon_fence", "deflist", "substitution"]
myst_heading_anchors = 4
myst_links_external_new_tab = False

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
default_role = "code"  # docstrings write names as `name`
copybutton_prompt_text = r"\$ "
copybutton_prompt_is_regexp = True

linkcheck_anchors = False
linkcheck_ignore = [r"http://localhost.*", r"http://127\.0\.0\.1.*"]

REPOSITORY = os.environ.get("HANCOCK_DOCS_REPOSITORY_URL", "")
"""Where files of the repository can be read; the workflow that deploys the site sets it."""
_TERM = re.compile(r"\[(?P<text>[^\]]+)\]\((?P<page>glossary)\.md(?P<anchor>#[^)\s]+)\)")
_OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./([^)#\s]+)(#[^)\s]+)?\)")


def link_to_the_repository(_app: Sphinx, name: str, source: list[str]) -> None:
    """Point links that leave the documentation to the repository, or to nothing without one."""

    def link(match: re.Match[str]) -> str:
        text, path, anchor = match[1], match[2], match[3] or ""
        target = (HERE / name).parent.joinpath("..", path).resolve()
        if target.is_relative_to(HERE):
            return match[0]
        path = target.relative_to(HERE.parent).as_posix()
        return f"[{text}]({REPOSITORY}/{path}{anchor})" if REPOSITORY else text

    linked = _OUTSIDE.sub(link, source[0])
    # Terms of the glossary are anchors in a table, which MyST does not know.
    source[0] = _TERM.sub(r'<a href="\g<page>.html\g<anchor>">\g<text></a>', linked)


def without_constructor(
    _app: Sphinx, what: str, _name: str, _documented: Any, _options: Any, *signature: Any
) -> tuple[str, None] | None:
    """Leave out how a class is constructed: users get its objects from the plugin."""
    return ("", None) if what == "class" else None


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("source-read", link_to_the_repository)
    app.connect("autodoc-process-signature", without_constructor)
    return {"parallel_read_safe": True}
