"""The documentation site is whole: every page is reached, every operation told, and nothing comes from another host."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from openlookout.api.definition import definition

ROOT = Path(__file__).parents[1]
ELSEWHERE = re.compile(r"^\s*(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)
IN_STYLE = re.compile(r"(?:@import\s+(?:url\()?|url\()\s*[\"']?([^\"')\s;]+)")
LOADING = ("src", "srcset", "poster", "data")
NO_PAGE = "http://127.0.0.1:9"  # Nobody listens: what mkdocs would fetch fails the build.


class Loaded(HTMLParser):
    """What a page makes a browser fetch (links that people follow are not among it), its text, and its headings."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.ids: set[str] = set()
        self.followed: set[str] = set()
        self.styles: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.addresses += [given[name] for name in LOADING if name in given]
        if tag == "link":
            self.addresses.append(given.get("href", ""))
        if tag == "a":
            self.followed.add(given.get("href", ""))
        self.ids.add(given.get("id", ""))
        self.styles.append(given.get("style", ""))
        self._in = tag

    def handle_data(self, data: str) -> None:
        (self.styles if getattr(self, "_in", "") == "style" else self.text).append(data)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    # Not --quiet: it drops the warnings that --strict counts.
    line = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = os.environ | {"http_proxy": NO_PAGE, "https_proxy": NO_PAGE, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(line, check=False, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    return folder


def read(page: Path) -> Loaded:
    loaded = Loaded()
    loaded.feed(page.read_text(encoding="utf-8"))
    return loaded


def test_no_page_and_no_style_loads_anything_from_another_host(site: Path) -> None:
    loaded = []
    for page in site.rglob("*.html"):
        seen = read(page)
        loaded += [(page.name, address) for address in seen.addresses]
        loaded += [(page.name, address) for style in seen.styles for address in IN_STYLE.findall(style)]
        assert "mermaid" not in page.read_text(), "diagrams would be drawn by a script from another host"
    for sheet in site.rglob("*.css"):
        loaded += [(sheet.name, address) for address in IN_STYLE.findall(sheet.read_text())]
    assert len(loaded) > 100
    assert [found for found in loaded if ELSEWHERE.match(found[1])] == []


def test_every_document_is_a_page_that_the_first_one_leads_to(site: Path) -> None:
    followed = read(site / "index.html").followed
    documents = [path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")]
    assert len(documents) > 20
    missing = [
        str(path)
        for path in documents
        if path.name != "index.md" and path.with_suffix(".html").as_posix() not in followed
    ]
    assert missing == [], "not in nav of mkdocs.yml"


def test_every_operation_has_a_section_with_its_members_and_errors(site: Path) -> None:
    seen = read(site / "reference.html")
    operations, shapes = definition()["operations"], definition()["shapes"]
    assert len(operations) == 49
    text = (site / "reference.html").read_text()
    for name, operation in operations.items():
        assert name.lower() in seen.ids, name
        section = text.partition(f'<h3 id="{name.lower()}">')[2].partition("<h3 ")[0]
        for member in shapes[operation["input"]["shape"]]["members"]:
            assert f"<code>{member}</code>" in section, (name, member)
        for error in operation["errors"]:
            assert f'href="#{error["shape"].lower()}"' in section, (name, error)


def test_no_page_shows_marks_that_should_have_become_a_table_a_list_or_code(site: Path) -> None:
    for page in site.rglob("*.html"):
        body = "".join(read(page).text)
        assert "```" not in body, page.name
        assert "|---" not in body, page.name
        paragraphs = re.findall(r"<p>(.*?)</p>", page.read_text(), re.DOTALL)
        assert [found for found in paragraphs if re.search(r"\n(?:\* |- |\d+\. )", found)] == [], page.name
