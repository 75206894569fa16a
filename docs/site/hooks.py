"""What MkDocs calls to make the site: README and the files that pages link to become pages, and so does the code."""

from __future__ import annotations

from functools import cache
from typing import Any

import reference_card
import reference_commands
import reference_interfaces
import reference_launch
import reference_nodes
import reference_python
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page
from repository import DOCS, outside_pages, site_path, with_site_links

REFERENCES = (
    reference_nodes,
    reference_interfaces,
    reference_launch,
    reference_commands,
    reference_card,
    reference_python,
)


@cache
def generated_pages() -> dict[str, str]:
    """The reference by paths in the site; once for a process, which does not load changed code anyway."""
    return dict(page for reference in REFERENCES for page in reference.pages())


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """An entry of the navigation such as `reference/nodes/` stands for all pages in there."""
    config.nav = _filled(config.nav)
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that are not in docs/."""
    for path, text in outside_pages().items():
        files.append(File.generated(config, site_path(path), content=text, inclusion=InclusionLevel.NOT_IN_NAV))
    for path, text in generated_pages().items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links lead to pages of the site."""
    path = page.file.src_uri
    outside = {site_path(one): one for one in outside_pages()}
    return with_site_links(markdown, outside.get(path, f"{DOCS}{path}"))


def _filled(entry: Any) -> Any:
    if isinstance(entry, list):
        return [_filled(one) for one in entry]
    if isinstance(entry, dict):
        return {title: _filled(one) for title, one in entry.items()}
    if isinstance(entry, str) and entry.endswith("/"):
        return [path for path in generated_pages() if path.startswith(entry)]
    return entry
