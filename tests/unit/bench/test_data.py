"""The benchmark itself, on a small project: it runs, and what is counted holds."""

import json
from functools import partial

import pytest

from bench import imports, ingest, labels, listing, removal, signing
from bench.aws import ENVIRONMENT
from bench.report import Check, Section
from bench.world import World

#: What is measured in time or memory says something on a large project and an idle machine only.
COUNTED = ("calls", "deaths", "rows and objects")


@pytest.mark.parametrize(
    ("run", "images"),
    [
        (partial(labels.run, labels_a_request=100), 300),
        (partial(signing.run, files_a_batch=1500), 3000),
        (listing.run_list, 400),
        (listing.run_summary, 4000),
        (removal.run, 5000),
    ],
    ids=["labels", "signing", "list", "summary", "delete"],
)
def test_what_is_counted_is_within_its_target(run, images, monkeypatch):
    """The calls of each section are as few as the issue wants, whatever machine it runs on."""
    section = _section(monkeypatch, run, images)
    counted = [each for each in section.checks if any(word in each.what for word in COUNTED)]
    assert counted
    assert [each for each in counted if not each.passed] == []


def test_ten_messages_are_handled_faster_than_one_by_one(monkeypatch):
    """The handler of ten messages is ahead of the one of one, and neither loses an image."""
    section = _section(monkeypatch, partial(ingest.run, large_side=1200), 20, latency_seconds=0.05)
    [ratio, _] = section.checks
    assert ratio.measured > 2


def test_an_import_takes_every_file(monkeypatch):
    """The worker runs in a process of its own, to its end, within the memory that it may take."""
    section = _section(monkeypatch, imports.run, 200)
    assert section.passed


def _section(monkeypatch, run, images: int, latency_seconds: float = 0) -> Section:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    return run(World.make(latency_seconds), images)


@pytest.mark.parametrize(
    ("measured", "at_least", "passed"), [(1, False, True), (3, False, False), (1, True, False)]
)
def test_a_check_can_fail(measured, at_least, passed):
    """A figure over its limit fails, or one under it where it is a least; and so does its section."""
    check = Check("x", measured, 2, at_least)
    assert (check.passed, Section("s", [check]).passed) == (passed, passed)
    document = json.loads(json.dumps(Section("s", [check], {"note": 1}).to_json()))
    assert document["checks"][0] == {
        "what": "x",
        "target": ">= 2" if at_least else "<= 2",
        "measured": measured,
        "passed": passed,
    }
