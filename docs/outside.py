"""A hook of mkdocs: pages may link to files outside of docs/, as they do on a code host."""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
PAGES = ("CHANGELOG.md", "CONTRIBUTING.md")
"""Files of the repository that are pages of the site."""
LINK = re.compile(r"\]\(\.\./([^)#\s]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages above, and every file that a page links to by a path that begins with `../`."""
    texts = (file.content_string for file in files.documentation_pages())
    linked = {name for text in texts for name in LINK.findall(text)}
    for name in sorted(linked.union(PAGES)):
        files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Let links lead to where those files are in the site: docs/ is its root."""
    if page.file.src_uri in PAGES:
        return markdown.replace("](docs/", "](")
    return LINK.sub(r"](\1", markdown)
