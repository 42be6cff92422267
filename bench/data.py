"""`python -m bench.data`: what Darkroom's data costs, on a simulated AWS of 10 ms a call.

Counted, or as a ratio of two figures of the same run. Prints a table, and last one line of JSON.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from functools import partial

from . import imports, ingest, labels, listing, removal, signing
from .aws import ENVIRONMENT
from .report import Section
from .world import World

_MOST_INGESTED = 200
Run = Callable[[World, int], Section]


def sections(images: int, only: str | None = None) -> Iterator[Section]:
    """Every section, each in a world of its own.

    Args:
        images: in the largest project; requests are of a tenth of them.
        only: the one section to run.
    """
    runs: dict[str, tuple[Run, int]] = {
        "labels": (partial(labels.run, labels_a_request=images // 10), images),
        "signing": (partial(signing.run, files_a_batch=images // 10), images),
        "ingest": (ingest.run, min(images, _MOST_INGESTED)),
        "list": (listing.run_list, images),
        "summary": (listing.run_summary, images),
        "delete": (removal.run, images),
        "import": (imports.run, min(images, imports.FILES)),
    }
    for name, (run, count) in runs.items():
        if only in (None, name):
            yield run(World.make(), count)


def main() -> int:
    """Returns 0 where every check passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=100_000, help="in the largest project")
    parser.add_argument("--only", metavar="SECTION", help="of the table")
    arguments = parser.parse_args()
    os.environ.update(ENVIRONMENT)
    print(f"{'section':<8} {'figure':<64} {'measured':>12} {'target':>10}")
    found = {}
    for section in sections(arguments.images, arguments.only):
        print("\n".join(section.lines()), flush=True)
        found[section.name] = section
    print(json.dumps({name: section.to_json() for name, section in found.items()}))
    return 0 if all(each.passed for each in found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
