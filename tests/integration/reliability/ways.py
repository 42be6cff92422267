"""The three ways by which files come in: in a request, through S3, and in an archive."""

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import urllib3

from app import app
from chalicelib import bootstrap
from chalicelib.contract.records import Failure
from data_job.job import JobEnvironment, aws_ports, carry_out
from infra.local.aws import EmbeddedAws
from tests.integration.conftest import Api

HTTP = urllib3.PoolManager()
#: File name -> "accepted", or the code of the refusal.
Outcomes = dict[str, str]
Way = Callable[[Api, str, Mapping[str, bytes], EmbeddedAws], Outcomes]


def in_a_request(api: Api, project: str, files: Mapping[str, bytes], _: EmbeddedAws) -> Outcomes:
    answer = api.send_files(f"{project}/data/images", list(files.items()))
    assert answer.status in (201, 207, 422), answer.body
    return {
        each["fileName"]: each["error"]["code"] if each["status"] == "failed" else "accepted"
        for each in answer.json["items"]
    }


def through_s3(api: Api, project: str, files: Mapping[str, bytes], _: EmbeddedAws) -> Outcomes:
    """Posts each file with the signed form, and hands its notice to the function, ten a batch."""
    announced = [
        {"fileName": name, "sizeBytes": len(files[name]), "contentType": "image/png"} for name in files
    ]
    opened = api.call("POST", f"{project}/data/uploads", {"files": announced})
    assert opened.status == 201, opened.body
    keys = {each["fileName"]: each["key"] for each in opened.json["images"]}
    for name, key in keys.items():
        _post(opened.json, key, files[name])
    notices = [_notice(key, len(files[name])) for name, key in keys.items()]
    for start in range(0, len(notices), 10):
        batch = {"Records": notices[start : start + 10]}
        assert app.handler_map["ingest"](batch, None) == {"batchItemFailures": []}
    return _reconciled(api, opened.headers["Location"], files)


def in_an_archive(api: Api, project: str, files: Mapping[str, bytes], stack: EmbeddedAws) -> Outcomes:
    path, failure = imported(api, project, zipped(files), stack)
    assert failure is None, failure
    import_id = path.rsplit("/", 1)[1]
    return _reconciled(api, f"{project}/data/uploads/{import_id}", files)


def imported(api: Api, project: str, archive: bytes, stack: EmbeddedAws) -> tuple[str, Failure | None]:
    """Sends an archive and carries the import out in this process; its path, and why it failed."""
    opened = api.call("POST", f"{project}/data/imports", {"fileName": "d.zip", "sizeBytes": len(archive)})
    assert opened.status == 201, opened.body
    [part] = opened.json["parts"]
    assert HTTP.request("PUT", part["url"], body=archive).status == 200
    path = opened.headers["Location"]
    assert api.call("POST", f"{path}/complete").status == 202
    project_id, import_id = project.rsplit("/", 1)[1], path.rsplit("/", 1)[1]
    variables = stack.environment | {
        "PROJECT_ID": project_id,
        "TRANSFER_ID": import_id,
        "TRANSFER_KIND": "import",
        "AWS_BATCH_JOB_ATTEMPT": "1",
    }
    ports = aws_ports(JobEnvironment.read(variables), bootstrap.aws())
    with TemporaryDirectory() as folder:
        failure = carry_out(ports, project_id, "import", import_id, 1, Path(folder))
        left = {each.name for each in Path(folder).rglob("*")}
    assert left <= {"index.sqlite", "report.jsonl"}, "something was unpacked"
    return path, failure


def zipped(files: Mapping[str, bytes]) -> bytes:
    target = io.BytesIO()
    with ZipFile(target, "w", ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


def _post(opened: dict[str, Any], key: str, content: bytes) -> None:
    file = ("f", content, "image/png")
    fields = {**opened["fields"], "key": key, "Content-Type": "image/png", "file": file}
    assert HTTP.request("POST", opened["url"], fields=fields).status == 204


def _notice(key: str, size: int) -> dict[str, Any]:
    return {
        "messageId": key,
        "attributes": {"ApproximateReceiveCount": "1"},
        "body": json.dumps({"Records": [{"s3": {"object": {"key": key, "size": size}}}]}),
    }


def _reconciled(api: Api, path: str, files: Mapping[str, bytes]) -> Outcomes:
    found = api.call("GET", path).json
    assert found["pending"] == 0
    refused = {each["fileName"]: each["code"] for each in found["rejectedFiles"]}
    return {name: refused.get(name, "accepted") for name in files}
