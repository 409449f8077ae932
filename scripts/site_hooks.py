"""What mkdocs is told beside mkdocs.yml: the API reference, the decisions there are, links into the code as paths."""

import json
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from generate_reference import API, reference

LINK = re.compile(r"\[([^\]]*)\]\(([^):#\s]+)(?:#[^)\s]*)?\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put every decision into the navigation, by number: a new one needs no other change."""
    decisions = sorted(path.name for path in (Path(config.docs_dir) / "adr").glob("*.md"))
    assert config.nav is not None
    config.nav.append({"Decisions": [f"adr/{name}" for name in decisions]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the API reference, which is in no file of docs/."""
    definition = json.loads((API / "definition.json").read_text(encoding="utf-8"))
    files.append(File.generated(config, "reference.md", content=reference(definition)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Show a link that leads out of docs/ as the path in the repository: the site has no such page."""
    folder = posixpath.dirname(page.file.src_uri)

    def shown(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join("docs", folder, link[2]))
        return link[0] if target.startswith("docs/") else f"`{target}`"

    return LINK.sub(shown, markdown)
