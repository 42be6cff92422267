"""Imports and exports over HTTP, with the worker as a real Batch job."""

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import urllib3

from app import app
from infra.local.aws import REGION, EmbeddedAws
from infra.local.batch import Runner
from tests.images import image
from tests.integration.conftest import Answer, Api

HTTP = urllib3.PoolManager()
MEBIBYTE = 1 << 20


@dataclass
class Transfers:
    """A user's projects, and a machine for their imports and exports."""

    api: Api
    runner: Runner
    stack: EmbeddedAws

    def send(self, project: str, archive: bytes, **body: Any) -> str:
        """Announces an archive, sends it and says so; returns the import's path."""
        announced = {"fileName": "data.zip", "sizeBytes": len(archive), **body}
        opened = self.api.call("POST", f"{project}/data/imports", announced)
        assert opened.status == 201, opened.body
        put_parts(opened.json, archive)
        path = opened.headers["Location"]
        assert self.api.call("POST", f"{path}/complete").status == 202
        return path

    def wait(self, path: str, *states: str) -> dict[str, Any]:
        return until(lambda: self._in_state(path, states or ("completed", "failed")))

    def imported(self, project: str, archive: bytes, **body: Any) -> dict[str, Any]:
        done = self.wait(self.send(project, archive, **body))
        assert done["status"] == "completed", done
        return done

    def exported(self, project: str, **body: Any) -> tuple[dict[str, Any], bytes]:
        started = self.api.call("POST", f"{project}/data/exports", body)
        assert started.status == 202, started.body
        done = self.wait(started.headers["Location"])
        assert done["status"] == "completed", done
        return done, HTTP.request("GET", done["url"]).data

    def labels(self, project: str) -> dict[str, Any]:
        """File name -> label."""
        answer = self.api.call("GET", f"{project}/data/images?limit=100").json
        return {each["fileName"]: each["label"] for each in answer["items"] if each["label"] is not None}

    def splits(self, project: str) -> dict[str, Any]:
        answer = self.api.call("GET", f"{project}/data/images?limit=100").json
        return {each["fileName"]: each.get("split") for each in answer["items"]}

    def _in_state(self, path: str, states: tuple[str, ...]) -> dict[str, Any] | None:
        seen: dict[str, Any] = self.api.call("GET", path).json
        return seen if seen["status"] in states else None


def until(find: Callable[[], Any], seconds: float = 90) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := find()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)
    return found


def put_parts(opened: dict[str, Any], archive: bytes) -> None:
    size = opened["partSizeBytes"]
    for each in opened["parts"]:
        start = (each["partNumber"] - 1) * size
        assert put(each["url"], archive[start : start + size]) == 200


def put(url: str, content: bytes) -> int:
    return HTTP.request("PUT", url, body=content).status


def zipped(members: dict[str, bytes | str]) -> bytes:
    target = BytesIO()
    with ZipFile(target, "w") as archive:
        for path, content in members.items():
            archive.writestr(path, content)
    return target.getvalue()


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the jobs' output goes."""
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="module")
def runner(stack: EmbeddedAws, logs: Path) -> Iterator[Runner]:
    outside = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    runner = Runner(outside | stack.credentials, logs, slots=2, grace_seconds=5)
    runner.attach(stack.outputs["DataJobQueue"], REGION)
    yield runner
    runner.close()


@pytest.fixture
def transfers(api: Api, runner: Runner, stack: EmbeddedAws) -> Transfers:
    return Transfers(api, runner, stack)


FOLDERS = {
    f"{split}/{name}/{number}{place}.png": image(10 * number + place, side=16)
    for number, (split, name) in enumerate(product(("train", "val"), ("cat", "a dog")))
    for place in range(2)
}
COCO = {
    "a.png": image(1, side=20),
    "b.png": image(2, side=20),
    "empty.png": image(3, side=20),
    "instances.json": json.dumps(
        {
            "images": [
                {"id": n, "file_name": name} for n, name in enumerate(("a.png", "b.png", "empty.png"))
            ],
            "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
            "annotations": [
                {"id": 1, "image_id": 0, "category_id": 1, "bbox": [1, 2, 10, 11]},
                {"id": 2, "image_id": 0, "category_id": 2, "bbox": [0, 0, 20, 20]},
                {"id": 3, "image_id": 1, "category_id": 2, "bbox": [3.5, 4, 5, 6]},
            ],
        }
    ),
}
YOLO = {
    "data.yaml": "names: [cat, dog]\ntrain: images/train\nval: images/val\n",
    "images/train/a.png": image(1, side=20),
    "labels/train/a.txt": "0 0.5 0.5 0.5 0.25\n1 0.25 0.25 0.1 0.1\n",
    "images/val/b.png": image(2, side=20),
    "labels/val/b.txt": "",
}


@pytest.mark.parametrize(
    ("task_type", "archive", "format_name", "count"),
    [
        ("classification", FOLDERS, "imagefolder", 8),
        ("detection", COCO, "coco", 3),
        ("detection", YOLO, "yolo", 2),
    ],
)
def test_a_data_set_goes_in_and_out_and_in_again(transfers, task_type, archive, format_name, count):
    """An import gives images, labels and splits; its export, imported elsewhere, gives the same ones."""
    first, second = transfers.api.project(task_type), transfers.api.project(task_type)
    done = transfers.imported(first, zipped(archive))
    assert (done["format"], done["progress"], done["problems"]["total"]) == (format_name, 100, 0)
    assert (done["counts"]["accepted"], done["counts"]["labelled"]) == (count, count)
    assert done["reportUrl"] is None
    upload = transfers.api.call("GET", f"{first}/data/uploads/{done['importId']}").json
    assert (upload["expected"], upload["accepted"], upload["status"]) == (count, count, "complete")
    exported, content = transfers.exported(first, format=format_name)
    assert exported["counts"] == {"images": count, "written": count, "missing": 0}
    assert exported["sizeBytes"] == len(content)
    again = transfers.imported(second, content)
    assert (again["format"], again["problems"]["total"]) == (format_name, 0)
    labels = transfers.labels(first)
    assert len(labels) == count
    assert transfers.labels(second) == _close(labels)
    assert transfers.splits(second) == transfers.splits(first)


def _close(labels: dict[str, Any]) -> dict[str, Any]:
    """The same labels, with boxes to half a pixel."""
    return {
        name: each if isinstance(each, str) else [_box(one) for one in each] for name, each in labels.items()
    }


def _box(found: dict[str, Any]) -> dict[str, Any]:
    return {"label": found["label"], "box": pytest.approx(found["box"], abs=0.5)}


def test_problems_are_counted_shown_and_reported(transfers):
    """What isn't taken is in the report by file and line, counted in the status, and the rest is there."""
    project = transfers.api.project()
    archive = {
        "labels.csv": "a.png,cat\nbad.png,cat\nnone.png,dog\n",
        "a.png": image(1),
        "bad.png": b"no image",
    }
    done = transfers.imported(project, zipped(archive))
    assert done["counts"] | {"ignored": 0} == {
        "files": 2, "accepted": 1, "duplicate": 0, "rejected": 1, "pending": 0, "labelled": 1, "ignored": 0,
    }  # fmt: skip
    assert done["problems"]["total"] == sum(done["problems"]["byCode"].values()) == 2
    lines = [json.loads(line) for line in HTTP.request("GET", done["reportUrl"]).data.splitlines()]
    assert lines == done["examples"]
    assert ("labels.csv", 3) in {(each["file"], each.get("line")) for each in lines}
    assert transfers.labels(project) == {"a.png": "cat"}


def test_an_upload_that_broke_off_goes_on(transfers):
    """A part that is cut short is refused; what is missing has fresh URLs, the rest stays as it is."""
    project = transfers.api.project()
    archive = zipped({"cat/a.png": image(1), "cat/large.bin": os.urandom(9 * MEBIBYTE)})
    announced = {"fileName": "data.zip", "sizeBytes": len(archive), "format": "imagefolder"}
    opened = transfers.api.call("POST", f"{project}/data/imports", announced)
    path, parts = opened.headers["Location"], opened.json["parts"]
    assert [each["partNumber"] for each in parts] == [1, 2]
    assert put(parts[1]["url"], archive[opened.json["partSizeBytes"] :][:-1]) == 403
    refused = transfers.api.call("POST", f"{path}/complete")
    assert (refused.status, refused.problem(), refused.json["missing"]) == (409, "parts-missing", [1, 2])
    assert put(parts[0]["url"], archive[: opened.json["partSizeBytes"]]) == 200
    resumed = transfers.api.call("GET", path).json
    assert (resumed["status"], [each["partNumber"] for each in resumed["parts"]]) == ("uploading", [2])
    put_parts(resumed, archive)
    answers = [transfers.api.call("POST", f"{path}/complete") for _ in range(2)]
    assert [each.status for each in answers] == [202, 202]
    assert transfers.wait(path)["counts"]["accepted"] == 1


@pytest.mark.parametrize("change", ["signature", "partNumber=1", "uploadId"])
def test_a_parts_url_is_good_for_that_part_alone(transfers, change):
    """A URL of a part can't be used for another part, nor with another signature."""
    project = transfers.api.project()
    opened = transfers.api.call("POST", f"{project}/data/imports", {"fileName": "a.zip", "sizeBytes": 5})
    url = opened.json["parts"][0]["url"]
    forged = {
        "signature": url[:-1] + ("0" if url[-1] != "0" else "1"),
        "partNumber=1": url.replace("partNumber=1", "partNumber=2"),
        "uploadId": url.replace("uploadId=", "uploadId=x"),
    }[change]
    assert forged != url
    assert put(forged, b"12345") == 403
    assert put(url, b"12345") == 200


@pytest.mark.parametrize(
    ("archive", "code"),
    [
        (b"no zip", "archive-not-zip"),
        (zipped({"../a.png": image(1)}), "archive-unsafe-path"),
        (zipped({"cat/a.png": image(1), "more.zip": zipped({"b.png": image(2)})}), "archive-nested"),
    ],
)
def test_a_hostile_archive_is_refused_whole(transfers, archive, code):
    """A hostile or unreadable archive ends the import `failed` with the reason; nothing of it comes."""
    project = transfers.api.project()
    done = transfers.wait(transfers.send(project, archive))
    assert (done["status"], done["failure"]["code"]) == ("failed", code)
    assert done["endedAt"]
    assert transfers.api.call("GET", f"{project}/data/images").json["items"] == []


@pytest.mark.parametrize(("how", "code"), [("kill", 137), ("reclaim", 75)])
def test_a_job_that_is_killed_goes_on_where_it_was(transfers, how, code):
    """Killed while it takes images in, a job is tried again, and counts no file twice."""
    project = transfers.api.project()
    count = 250
    path = transfers.send(project, zipped({f"cat/{n}.png": image(n) for n in range(count)}))
    until(lambda: transfers.api.call("GET", f"{project}/data/images?limit=1").json["items"])
    [job] = _jobs(transfers, path)
    getattr(transfers.runner, how)(job)
    done = transfers.wait(path)
    assert (done["status"], done["problems"]["total"]) == ("completed", 0)
    assert (done["counts"]["accepted"], done["counts"]["labelled"]) == (count, count)
    ended = until(lambda: _ended(transfers, job))
    assert [each["container"]["exitCode"] for each in ended["attempts"]] == [code, 0]


def _ended(transfers: Transfers, job: str) -> dict[str, Any] | None:
    [seen] = transfers.stack.client("batch").describe_jobs(jobs=[job])["jobs"]
    return seen if seen["status"] in ("SUCCEEDED", "FAILED") else None


def _jobs(transfers: Transfers, path: str) -> list[str]:
    names = [{"name": "JOB_NAME", "values": [path.rpartition("/")[2]]}]
    queue = transfers.stack.outputs["DataJobQueue"]
    found = transfers.stack.client("batch").list_jobs(jobQueue=queue, filters=names)
    return [each["jobId"] for each in found["jobSummaryList"]]


def test_a_job_that_dies_ends_its_import(transfers):
    """Batch's event that a job failed, without a word from itself, ends its import with the reason."""
    project = transfers.api.project()
    opened = transfers.api.call("POST", f"{project}/data/imports", {"fileName": "a.zip", "sizeBytes": 5})
    detail = {
        "jobId": "job",
        "jobName": opened.json["importId"],
        "status": "FAILED",
        "statusReason": "Essential container in task exited",
        "container": {
            "exitCode": 137,
            "environment": [
                {"name": "PROJECT_ID", "value": project.rpartition("/")[2]},
                {"name": "TRANSFER_KIND", "value": "import"},
            ],
        },
    }
    record = {"messageId": "m", "body": json.dumps({"detail": detail})}
    assert app.handler_map["job_state"]({"Records": [record]}, None) == {"batchItemFailures": []}
    seen = transfers.api.call("GET", opened.headers["Location"]).json
    assert (seen["status"], seen["failure"]["code"]) == ("failed", "killed")


def test_an_export_of_labels_alone_and_of_a_version(transfers):
    """Without images a zip has the annotation files only; of a version it has the labels of then."""
    project = transfers.api.project()
    transfers.imported(project, zipped({"cat/a.png": image(1), "dog/b.png": image(2)}))
    version = transfers.api.call("POST", f"{project}/data/versions", {"name": "first"}).json
    assert transfers.api.call("POST", f"{project}/data/labels", {"labels": {"a.png": "dog"}}).status == 200
    texts = []
    for body in ({}, {"versionId": version["versionId"]}):
        _, content = transfers.exported(project, format="csv", withImages=False, **body)
        with ZipFile(BytesIO(content)) as archive:
            [name] = archive.namelist()
            texts.append(archive.read(name).decode())
    assert "a.png,dog" in texts[0]
    assert "a.png,cat" in texts[1]


def test_a_request_is_followed_into_its_job(transfers, logs):
    """Every line of an import's job names the request that announced it."""
    announced = {"fileName": "data.zip", "sizeBytes": 6}
    opened = transfers.api.call("POST", f"{transfers.api.project()}/data/imports", announced)
    put_parts(opened.json, b"no zip")
    assert transfers.api.call("POST", f"{opened.headers['Location']}/complete").status == 202
    transfers.wait(opened.headers["Location"], "failed")
    ids = {"requestId": opened.headers["X-Request-Id"], "transferId": opened.json["importId"]}
    lines = [json.loads(each) for each in (logs / f"{ids['transferId']}-1.log").read_text().splitlines()]
    assert lines
    assert all(ids.items() <= each.items() for each in lines)


def _refusals(transfers: Transfers, path: str, bodies: list[Any]) -> set[tuple[int, str]]:
    answers: list[Answer] = [transfers.api.call("POST", path, each) for each in bodies]
    return {(each.status, each.problem()) for each in answers}


def test_wrong_requests_are_refused(transfers):
    """Bad sizes, formats and names, formats of the other task, and unknown ids each have their error."""
    project = transfers.api.project("detection")
    bad = [
        {"fileName": "a.zip", "sizeBytes": 0},
        {"fileName": "a.zip", "sizeBytes": 10_000_000_001},
        {"fileName": "a.zip", "sizeBytes": "5"},
        {"fileName": "", "sizeBytes": 5},
        {"fileName": "a.zip", "sizeBytes": 5, "format": "word"},
        {"fileName": "a.zip"},
        [],
    ]
    assert _refusals(transfers, f"{project}/data/imports", bad) == {(422, "invalid-fields")}
    others = [{"format": "csv"}, {"format": "imagefolder"}]
    assert _refusals(transfers, f"{project}/data/exports", others) == {(422, "format-not-for-task")}
    unknown = [{"versionId": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}, {"versionId": "x"}]
    assert _refusals(transfers, f"{project}/data/exports", unknown) == {(404, "version-not-found")}
    for kind in ("import", "export"):
        for each in ("01ARZ3NDEKTSV4RRFFQ69G5FAV", "x"):
            answer = transfers.api.call("GET", f"{project}/data/{kind}s/{each}")
            assert (answer.status, answer.problem()) == (404, f"{kind}-not-found")


def test_transfers_are_listed_newest_first_and_to_their_owner_alone(transfers, nobody):
    """Each kind has its list; another user sees neither the lists nor what is in them."""
    project = transfers.api.project()
    paths = [
        transfers.api.call("POST", f"{project}/data/imports", {"fileName": name, "sizeBytes": 5})
        for name in ("a.zip", "b.zip")
    ]
    listed = transfers.api.call("GET", f"{project}/data/imports?limit=1").json
    assert [each["fileName"] for each in listed["items"]] == ["b.zip"]
    rest = transfers.api.call("GET", f"{project}/data/imports?cursor={listed['nextCursor']}").json
    assert [each["fileName"] for each in rest["items"]] == ["a.zip"]
    assert transfers.api.call("GET", f"{project}/data/exports").json["items"] == []
    stranger = nobody.register()
    for path in (f"{project}/data/imports", paths[0].headers["Location"], f"{project}/data/exports"):
        assert stranger.call("GET", path).status == 404
