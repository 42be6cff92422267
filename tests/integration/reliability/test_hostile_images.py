"""Hostile images, by each of the ways by which images come in."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest

from chalicelib import bootstrap
from chalicelib.adapters.isolation import IsolatedInspector
from data_job import job
from infra.local.aws import EmbeddedAws
from tests import crashing_decoder as crash
from tests import hostile
from tests.fakes import FakeTelemetry
from tests.integration.conftest import Api, forget
from tests.integration.reliability.ways import HTTP, Way, in_a_request, in_an_archive, through_s3

ROOT = Path(__file__).parents[3]
WAYS = [in_a_request, through_s3, in_an_archive]
each_way = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
#: For files of which not even the size can be read, or only after 2 GB that a decoder hasn't got.
CODES = {"too-many-pixels", "undecodable", "decoder-crashed"}
TYPES = {f"image/{kind}" for kind in ("jpeg", "png", "gif", "webp", "tiff", "bmp")}


@cache
def _refused() -> Mapping[str, bytes]:
    bombs = hostile.claims() | hostile.bombs() | hostile.memory_hogs()
    return bombs | hostile.truncated() | hostile.no_images()


@cache
def _taken() -> Mapping[str, bytes]:
    return hostile.polyglots() | hostile.located()


def _varied(files: Mapping[str, bytes], number: int) -> dict[str, bytes]:
    """The same files under other names; bytes behind their ends make them others."""
    return {f"{number}-{name}": content + number.to_bytes(4) for name, content in files.items()}


@pytest.mark.injects(
    "bombs of 1.2, 2 and 1,000 times the limit, cut off files, and what is no image, by each of three ways",
    times=63,
    soak=630,
    outcome="refused with a code, and nothing of it stored",
)
@each_way
def test_what_is_no_good_image_is_refused(way: Way, api: Api, stack: EmbeddedAws, times: int) -> None:
    """Every such file is refused by its content, whatever it is called; no object of it is left."""
    project, injected = api.project(), 0
    for number in range(times // len(_refused())):
        varied = _varied(_refused(), number)
        files = {name: varied[name] for name in varied if not _is_left_out(way, name)}
        outcomes = way(api, project, files, stack)
        wrong = {name: code for name, code in outcomes.items() if not _is_right(name, code)}
        assert (outcomes.keys(), wrong) == (files.keys(), {})
        injected += len(varied)
    assert injected == times
    assert _objects(project, stack) == []


def _is_left_out(way: Way, name: str) -> bool:
    return way is in_an_archive and name.endswith(".svg")  # an import passes over it


def _is_right(name: str, code: str) -> bool:
    plain = name.partition("-")[2]
    return code == "unsupported-format" if plain in hostile.no_images() else code in CODES


def _objects(project: str, stack: EmbeddedAws) -> list[str]:
    """The objects below a project, and what still waits to become one."""
    project_id, s3 = project.rsplit("/", 1)[1], stack.client("s3")
    prefixes = (f"projects/{project_id}/", f"incoming/{project_id}/")
    pages = [s3.list_objects_v2(Bucket=stack.outputs["Bucket"], Prefix=each) for each in prefixes]
    return [each["Key"] for page in pages for each in page.get("Contents", ())]


@pytest.mark.injects(
    "valid images that are a page, a script or a zip too, or say where they are from, by each of three ways",
    times=14,
    soak=140,
    outcome="comes back as an image of its type, to be saved; its thumbnail has pixels and nothing else",
)
@each_way
def test_what_is_served_is_an_image_and_nothing_else(
    way: Way, api: Api, stack: EmbeddedAws, times: int
) -> None:
    """The original keeps its bytes, and comes as a file to be saved; the thumbnail is made anew."""
    project, injected = api.project(), 0
    for number in range(times // len(_taken())):
        files = _varied(_taken(), number)
        assert set(way(api, project, files, stack).values()) == {"accepted"}
        injected += len(files)
    assert injected == times
    shown = _shown(api, project)
    assert len(shown) == times
    for each in shown:
        name = each["fileName"]
        original, thumbnail = (HTTP.request("GET", each[url]) for url in ("url", "thumbnailUrl"))
        assert original.data.startswith(_taken()[name.partition("-")[2]])
        assert original.headers["Content-Type"] == each["contentType"]
        assert each["contentType"] in TYPES
        assert original.headers["Content-Disposition"].startswith("attachment;")
        assert thumbnail.headers["Content-Type"] == "image/jpeg"
        assert _segments(thumbnail.data) <= {0xE0, 0xDB, 0xC0, 0xC4, 0xDA}, name
        assert hostile.SECRET not in thumbnail.data
        assert b"<" not in thumbnail.data[:20]


def _shown(api: Api, project: str) -> list[dict[str, Any]]:
    items, cursor = [], ""
    while True:
        page = api.call("GET", f"{project}/data/images?limit=100{cursor}").json
        items += page["items"]
        if not page["nextCursor"]:
            return items
        cursor = f"&cursor={page['nextCursor']}"


def _segments(jpeg: bytes) -> set[int]:
    """The markers of a JPEG up to its pixels: E0 is JFIF's, E1 to EF and FE are metadata."""
    place, found = 2, set()
    while not found or 0xDA not in found:
        assert jpeg[place] == 0xFF
        found.add(jpeg[place + 1])
        place += 2 + int.from_bytes(jpeg[place + 2 : place + 4])
    return found


@pytest.fixture
def lost(environment: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeTelemetry]:
    """Decoders that files bring down, in the API, in the functions and in imports; and what is counted."""
    telemetry = FakeTelemetry()
    crashing = partial(IsolatedInspector, crash.CRASHING, seconds=3)
    monkeypatch.setattr(bootstrap, "IsolatedInspector", crashing)
    monkeypatch.setattr(bootstrap, "PowertoolsTelemetry", lambda *_: telemetry)
    monkeypatch.setattr(
        job, "IsolatedInspector", lambda **_: crashing(on_crash=partial(bootstrap._count_crash, telemetry))
    )
    forget()
    yield telemetry
    forget()


@pytest.mark.injects(
    "a file at which the decoder dies of SIGSEGV, of SIGKILL or for want of memory, by each of three ways",
    times=6,
    soak=300,
    outcome="`decoder-crashed` for this file alone; two good files beside it are taken",
)
@each_way
def test_a_crash_costs_its_file_alone(
    way: Way, lost: FakeTelemetry, api: Api, stack: EmbeddedAws, times: int
) -> None:
    """The process that takes images in goes on; each lost decoder is counted."""
    kinds = (crash.SEGFAULT, crash.KILLED, crash.MEMORY)
    bad = {f"bad-{n}.jpg": hostile.small(n, "jpeg") + kinds[n % 3] for n in range(times)}
    good = {f"good-{n}.jpg": hostile.small(10_000 + n, "jpeg") for n in range(2 * times)}
    files = {name: (bad | good)[name] for name in sorted(bad.keys() | good.keys())}
    outcomes = way(api, api.project(), files, stack)
    assert {name: code for name, code in outcomes.items() if code != "accepted"} == dict.fromkeys(
        bad, "decoder-crashed"
    )
    assert lost.counts["DecoderCrashes"] >= times


@pytest.mark.injects(
    "a progressive JPEG of thousands of scans, which takes minutes to decode",
    times=1,
    soak=20,
    outcome="`decoder-crashed` after the time limit, and the file beside it is taken",
)
def test_a_slow_file_costs_its_time_alone(
    lost: FakeTelemetry, api: Api, stack: EmbeddedAws, times: int
) -> None:
    """Nothing waits for a file longer than decoding may take."""
    slow = hostile.jpeg_of_scans(10_000)
    files = {f"slow-{n}.jpg": slow + n.to_bytes(4) for n in range(times)} | {"good.png": hostile.small()}
    outcomes: dict[str, str] = {}
    project = api.project()
    for name, content in files.items():
        outcomes |= through_s3(api, project, {name: content}, stack)
    assert outcomes.pop("good.png") == "accepted"
    assert list(outcomes.values()) == ["decoder-crashed"] * times
    assert lost.counts["DecoderCrashes"] == times


_MEASURED = """
import json, re, resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, (1_200_000_000,) * 2)
from chalicelib.adapters.isolation import IsolatedInspector
from chalicelib.contract.errors import RejectedImageError
from tests import hostile

def peak(name, process="self"):
    found = re.search(rf"{name}:\\s+(\\d+) kB", Path(f"/proc/{process}/status").read_text())
    return int(found[1]) * 1024

crashes = []
inspector = IsolatedInspector(processes=1, on_crash=crashes.append)
largest = {"largest.webp": hostile.webp_of_one_colour(8000, 5000)}
files = hostile.claims() | hostile.bombs() | hostile.memory_hogs() | largest
before = peak("VmHWM")
taken = []
for number in range(int(sys.argv[1]) // len(files)):
    for name, content in files.items():
        try:
            inspector.inspect(content)
        except RejectedImageError:
            continue
        taken.append(name)
decoder = inspector._free.queue[-1]._process.pid
print(json.dumps({
    "files": number * len(files) + len(files), "taken": sorted(set(taken)), "crashes": len(crashes),
    "grown": peak("VmHWM") - before, "decoder": peak("VmHWM", decoder), "space": peak("VmPeak", decoder),
}))
"""


@pytest.mark.injects(
    "a bomb in a process with a limit on its memory",
    times=34,
    soak=680,
    outcome="the process grows by less than 32 MB, its decoder stays within 1 GB",
)
def test_memory_is_bounded(times: int) -> None:
    """Bombs cost the process that takes them in nothing, and the decoder no more than a large image does."""
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, str(times)], cwd=ROOT, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["files"], found["taken"]) == (times, ["largest.webp"])
    assert found["grown"] < 32_000_000
    assert found["decoder"] <= found["space"] <= 1 << 30
