"""The worked examples of docs/data.md are read as the page says."""

import re
from pathlib import Path

import pytest

from data_job.annotations import Found
from data_job.formats import detect

from .archives import JPEG, found_in, opened

PAGE = (Path(__file__).parents[3] / "docs/data.md").read_text()
EXAMPLE = re.compile(
    r"```tree (?P<format>\w+)\n(?P<tree>.*?)```(?P<files>.*?)"
    r"\n\| image [^\n]*\n[-|]+\n(?P<rows>(?:\|[^\n]*\n)+)",
    re.S,
)
EXAMPLES = {match["format"]: match for match in EXAMPLE.finditer(PAGE)}
FORMATS = ("imagefolder", "csv", "coco", "yolo", "voc", "manifest", "darkroom")


def _files(match: re.Match) -> dict[str, bytes | str]:
    files = dict(re.findall(r"```file (\S+)\n(.*?)```", match["files"], re.S))
    return {path: files.get(path, JPEG) for path in match["tree"].split()}


def _shown(found: Found) -> str:
    if found.boxes is None:
        return found.label or ""
    boxes = ((each.label, *each.in_pixels(640, 480)) for each in found.boxes)
    return ", ".join(f"{name} {a:g} {b:g} {c:g} {d:g}" for name, a, b, c, d in boxes) or "no objects"


@pytest.mark.parametrize("format", FORMATS)
def test_the_example_is_read_as_the_page_says(format):
    """Each example is recognised, and gives the names, labels and splits of the table under it."""
    match = EXAMPLES[format]
    files = _files(match)
    rows = [tuple(cell.strip() for cell in row.strip("|").split("|")) for row in match["rows"].splitlines()]
    with opened(files) as archive:
        assert detect(archive) == format
        images = {path for path, _ in archive.images()}
    found = found_in(format, files)
    assert [(each.name, _shown(each), each.split or "") for each in found] == rows
    assert {each.path for each in found} == images


def test_every_code_is_on_the_page():
    """Whatever a reader or an archive can report is explained to users."""
    sources = [
        path.read_text()
        for path in (Path(__file__).parents[3] / "data_job").rglob("*.py")
        if path.parent.name == "formats" or path.name.startswith("archive")
    ]
    text = "\n".join(sources)
    codes = set(re.findall(r'(?:RefusedError|Problem)\(\s*(?:[^"]*?, )?"([a-z]+(?:-[a-z0-9]+)+)"', text))
    codes |= {f"archive-{code}" for code in re.findall(r'refuse\(\s*"([a-z-]+)"', text)}
    assert len(codes) > 35
    assert not {code for code in codes if f"`{code}`" not in PAGE}
