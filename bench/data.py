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


def sections(images: int) -> Iterator[Section]:
    """Every section, each in a world of its own.

    Args:
        images: in the largest project; requests are of a tenth of them.
    """
    runs: dict[Run, int] = {
        partial(labels.run, labels_a_request=images // 10): images,
        partial(signing.run, files_a_batch=images // 10): images,
        ingest.run: min(images, _MOST_INGESTED),
        listing.run_list: images,
        listing.run_summary: images,
        removal.run: images,
        imports.run: min(images, imports.FILES),
    }
    for run, count in runs.items():
        yield run(World.make(), count)


def main() -> int:
    """Returns 0 where every check passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=100_000, help="in the largest project")
    images = parser.parse_args().images
    os.environ.update(ENVIRONMENT)
    print(f"{'section':<8} {'figure':<64} {'measured':>12} {'target':>10}")
    found = {}
    for section in sections(images):
        print("\n".join(section.lines()), flush=True)
        found[section.name] = section
    print(json.dumps({name: section.to_json() for name, section in found.items()}))
    return 0 if all(each.passed for each in found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
