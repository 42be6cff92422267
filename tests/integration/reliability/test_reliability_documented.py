"""docs/reliability.md says what these tests do, and nothing else."""

from pathlib import Path

import pytest

from tests.integration.reliability.conftest import injected

PAGE = Path(__file__).parents[3] / "docs/reliability.md"


def test_page_has_a_true_row_for_every_injected_fault(request: pytest.FixtureRequest) -> None:
    """Each mark's row stands in the page, word for word, and each row of the page is a test's."""
    marked = [(item, injected(item)) for item in request.session.items]
    rows = {found.row(item) for item, found in marked if found}
    written = {line for line in PAGE.read_text().splitlines() if line.endswith("` |") and "| `test_" in line}
    files = {item.path.name for item in request.session.items}
    assert rows - written == set(), "rows that docs/reliability.md lacks"
    # Of a part of the tests, only their own rows can be judged.
    stale = {each for each in written - rows if each.rsplit("`", 2)[1].split()[0] in files}
    assert stale == set(), "rows that no test stands behind"
    assert all((Path(__file__).parent / each.rsplit("`", 2)[1].split()[0]).exists() for each in written)
