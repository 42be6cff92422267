"""Naming, listing, comparing and training on dataset versions over the API."""

import gzip
import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import urllib3
from training_project import TINY, project_in

from chalicelib.contract.ids import ulid
from infra.local.aws import EmbeddedAws
from tests.images import image
from tests.integration.conftest import Answer, Api

IMAGES = 12


@pytest.fixture
def project(api: Api) -> str:
    """The path of a project of twelve labelled images."""
    path = api.project()
    api.send_files(f"{path}/data/images", [(f"{n}.png", image(n)) for n in range(IMAGES)])
    _label(api, path, {f"{n}.png": "ab"[n % 2] for n in range(IMAGES)})
    return path


def _label(api: Api, path: str, labels: dict[str, str]) -> None:
    answer = api.call("POST", f"{path}/data/labels", {"labels": labels})
    assert answer.json["summary"]["updated"] == len(labels)


def _create(api: Api, path: str, name: str = "first", **more: Any) -> Answer:
    return api.call("POST", f"{path}/data/versions", {"name": name, **more})


def _start(api: Api, path: str, body: Any = None) -> dict[str, Any]:
    """The status of a new run."""
    answer = api.call("POST", f"{path}/training/start", body)
    assert answer.status == 202
    return dict(api.call("GET", answer.headers["Location"]).json)


def test_a_version_is_made_listed_and_fetched(api: Api, project: str) -> None:
    """201 with what it holds; fetching it shows the same, the list all but its classes."""
    answer = _create(api, project, description="before the relabelling")
    made = answer.json
    assert answer.status == 201
    assert made.pop("manifestUrl").startswith("http")
    fetched = api.call("GET", answer.headers["Location"]).json
    assert fetched.pop("manifestUrl").startswith("http")
    assert fetched == made
    assert made.pop("classes") == {"a": 6, "b": 6}
    assert made | {"versionId": "", "datasetHash": "", "createdAt": "", "sizeBytes": 0} == {
        "versionId": "",
        "name": "first",
        "description": "before the relabelling",
        "datasetHash": "",
        "images": IMAGES,
        "splits": {},
        "sizeBytes": 0,
        "createdAt": "",
    }
    assert made["sizeBytes"] == sum(len(image(n)) for n in range(IMAGES))
    assert api.call("GET", f"{project}/data/versions").json == {"items": [made], "nextCursor": None}


def test_the_manifest_can_be_fetched_and_checked(api: Api, project: str) -> None:
    """`gunzip | sha256sum` of what the URL gives is the dataset hash, and each line is an image."""
    fetched = api.call("GET", _create(api, project).headers["Location"]).json
    lines = gzip.decompress(urllib3.request("GET", fetched["manifestUrl"]).data)
    assert sha256(lines).hexdigest() == fetched["datasetHash"]
    first = json.loads(lines.splitlines()[0])
    assert {"imageId", "fileName", "label", "sha256", "sizeBytes", "width", "height"} <= first.keys()
    assert len(lines.splitlines()) == IMAGES


def test_a_name_is_used_once(api: Api, project: str) -> None:
    """A second version of a name is 409; the same name in another project is free."""
    assert _create(api, project).status == 201
    refused = _create(api, project, "FIRST")
    assert (refused.status, refused.problem()) == (409, "version-name-taken")
    assert len(api.call("GET", f"{project}/data/versions").json["items"]) == 1


@pytest.mark.parametrize(
    "name", ["", " ", " first", "a\nb", "\0", "a\x7f", "a\x9fb", "x" * 101, "\ud800", None, 1], ids=repr
)
def test_a_wrong_name_is_named(api: Api, name: Any) -> None:
    """A name has 1 to 100 characters, no control characters and no spaces around it."""
    answer = api.call("POST", f"{api.project()}/data/versions", {"name": name})
    assert (answer.status, answer.problem()) == (422, "invalid-fields")
    assert [each["pointer"] for each in answer.json["errors"]] == ["/name"]


def test_nothing_can_be_named_before_there_are_labels(api: Api) -> None:
    """422 in a project without a labelled image."""
    answer = _create(api, api.project())
    assert (answer.status, answer.problem()) == (422, "nothing-labelled")


@pytest.mark.parametrize("version_id", [ulid(1), "first", "current"])
def test_an_unknown_version_is_not_found(api: Api, project: str, version_id: str) -> None:
    """404 wherever a version is named: fetching, comparing and starting; another's is no other."""
    for method, path, body in (
        ("GET", f"data/versions/{version_id}", None),
        ("GET", f"data/versions/{version_id}/compare", None),
        ("POST", "training/start", {"versionId": version_id}),
    ):
        answer = api.call(method, f"{project}/{path}", body)
        assert (answer.status, answer.problem()) == (404, "version-not-found")


def test_a_version_of_another_project_is_not_found(api: Api, project: str) -> None:
    """An id that is somebody's is nobody's elsewhere."""
    version = _create(api, project).json["versionId"]
    assert api.call("GET", f"{api.project()}/data/versions/{version}").problem() == "version-not-found"


def test_comparison_shows_what_changed(api: Api, project: str) -> None:
    """Added, removed and relabelled images are counted and named, with what they were and are."""
    version = _create(api, project).json["versionId"]
    items = api.call("GET", f"{project}/data/images").json["items"]
    ids = {each["fileName"]: each["imageId"] for each in items}
    _label(api, project, {"0.png": "c"})
    assert api.call("DELETE", f"{project}/data/images/{ids['1.png']}").status == 204
    api.send_files(f"{project}/data/images", [("new.png", image(99))])
    _label(api, project, {"new.png": "a"})
    found = api.call("GET", f"{project}/data/versions/{version}/compare").json
    counts = {name: found[name] for name in ("added", "removed", "relabelled", "moved", "unchanged")}
    assert counts == {"added": 1, "removed": 1, "relabelled": 1, "moved": 0, "unchanged": IMAGES - 2}
    assert found["omitted"] == 0
    changes = {each["fileName"]: each for each in found["items"]}
    assert changes["0.png"] == {
        "imageId": ids["0.png"],
        "fileName": "0.png",
        "change": "relabelled",
        "before": {"label": "a", "split": None},
        "after": {"label": "c", "split": None},
    }
    assert (changes["1.png"]["change"], changes["1.png"]["after"]) == ("removed", None)
    assert (changes["new.png"]["change"], changes["new.png"]["before"]) == ("added", None)

    second = _create(api, project, "second").json["versionId"]
    path = f"{project}/data/versions/{version}/compare"
    assert api.call("GET", f"{path}?with={second}").json == found
    assert api.call("GET", f"{path}?with=current").json == found
    assert api.call("GET", f"{path}?with=nothing").problem() == "invalid-query"


def test_a_run_names_its_dataset(api: Api, project: str) -> None:
    """Status and list name the version; runs on the same data share one without a name."""
    first, second = (_start(api, project)["dataset"] for _ in range(2))
    assert first == second
    assert first["name"] is None
    [version] = api.call("GET", f"{project}/data/versions").json["items"]
    assert (version["versionId"], version["datasetHash"]) == (first["versionId"], first["hash"])
    assert api.call("GET", f"{project}/data/versions?named=true").json["items"] == []
    assert [each["dataset"] for each in api.call("GET", f"{project}/training").json["items"]] == [first] * 2


def test_a_run_uses_the_newest_version_of_its_data(api: Api, project: str) -> None:
    """Data that was just named is trained on by that name."""
    version = _create(api, project).json
    expected = {"versionId": version["versionId"], "name": "first", "hash": version["datasetHash"]}
    assert _start(api, project)["dataset"] == expected


def test_an_old_version_is_trained_on_and_named_by_its_results(
    api: Api, project: str, stack: EmbeddedAws, tmp_path: Path
) -> None:
    """Labelling again changes nothing for a run on the version: its results have the version's hash."""
    version = _create(api, project).json
    _label(api, project, {f"{n}.png": "c" for n in range(6)})
    config = {name: value for name, value in replace(TINY, epochs=1).to_json().items() if value is not None}
    assert api.call("PUT", f"{project}/training/configure", config).status == 200
    status = _start(api, project, {"versionId": version["versionId"]})
    assert status["dataset"]["hash"] == version["datasetHash"]

    with project_in(stack, tmp_path, project.rsplit("/", 1)[1], status["sessionId"]) as running:
        running.batch_job_id = running.session.batch_job_id or ""
        assert running.run() == 0
    results = api.call("GET", f"{project}/training/{status['sessionId']}/results").json
    assert results["dataset"] == status["dataset"]
    assert results["modelDetails"]["datasetHash"] == version["datasetHash"]
    assert results["modelDetails"]["classes"] == ["a", "b"]
    assert results["test"] is None
    fetched = api.call("GET", f"{project}/data/versions/{version['versionId']}").json
    lines = gzip.decompress(urllib3.request("GET", fetched["manifestUrl"]).data)
    assert sha256(lines).hexdigest() == results["modelDetails"]["datasetHash"]


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8"])
def test_a_start_without_a_body_goes_on_working(api: Api, project: str, content_type: str) -> None:
    """No body is an empty object; `{}` says the same."""
    path = f"{project}/training/start"
    assert api.send("POST", path, b"", content_type).status == 202
    assert api.send("POST", path, b"{}", content_type).status == 202


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"nonsense", 400, "malformed-json"),
        (b'{"version": "x"}', 422, "invalid-fields"),
        (b'{"versionId": 1}', 422, "invalid-fields"),
        (b"[]", 422, "invalid-fields"),
    ],
)
def test_a_wrong_body_starts_nothing(api: Api, project: str, body: bytes, status: int, code: str) -> None:
    """A misspelt member would silently train on other data than was meant."""
    answer = api.send("POST", f"{project}/training/start", body)
    assert (answer.status, answer.problem()) == (status, code)
    assert api.call("GET", f"{project}/training").json["items"] == []
