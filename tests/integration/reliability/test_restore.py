"""Tables that go back to a moment while S3 and Batch don't, and what brings them together again."""

import json
import os
import sys
from collections import Counter
from pathlib import Path
from subprocess import run
from uuid import uuid4

import pytest
import urllib3

from chalicelib import bootstrap
from chalicelib.contract.attributes import marshal
from chalicelib.contract.objects import session_key, thumbnail_key
from chalicelib.contract.tables import SESSIONS
from infra.local.aws import EmbeddedAws
from tests.images import image
from tests.integration.conftest import Api
from tests.integration.reliability import traces
from tests.integration.reliability.restoring import reconcile
from tests.integration.reliability.world import World, build, own_stack
from tests.integration.test_api_training import _results

ROOT = Path(__file__).parents[3]


def _command(stack: EmbeddedAws, *words: str) -> tuple[int, str]:
    """A command of infra.restore as a person types it; its exit status and its last line."""
    own = {"PATH": os.environ["PATH"], **stack.credentials}
    command = [sys.executable, "-m", "infra.restore", "--stack", stack.stack_name, *words]
    done = run(command, cwd=ROOT, env=own, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, (done.stdout or done.stderr).strip().splitlines()[-1]


def _job_of(world: World, session: str) -> str:
    key = marshal({"ProjectID": world.ids["projectId"], "SessionID": world.ids[session]})
    table = world.stack.outputs["TablePrefix"] + SESSIONS
    return str(bootstrap.aws().dynamodb.get_item(TableName=table, Key=key)["Item"]["JobID"]["S"])


def _images(world: World) -> str:
    return "/api/projects/{projectId}/data/images".format(**world.ids)


def _accepted(world: World) -> list[dict[str, str]]:
    """Every accepted image of the world's project."""
    found, cursor = [], ""
    while True:
        page = world.api.call("GET", f"{_images(world)}?limit=100&status=accepted{cursor}").json
        found += page["items"]
        if page["nextCursor"] is None:
            return found
        cursor = f"&cursor={page['nextCursor']}"


def _live_on(world: World, times: int) -> None:
    """What happens after the backup: images come and go, a run completes, one dies, data is versioned."""
    assert (
        world.api.send_files(_images(world), [(f"late{n}.png", image(300 + n)) for n in range(times)]).status
        == 201
    )
    old = [each["imageId"] for each in _accepted(world) if each["fileName"].startswith("old")]
    assert world.api.call("POST", f"{_images(world)}/delete", {"imageIds": old}).json["deleted"] == times
    s3, bucket = bootstrap.aws().s3, world.stack.outputs["Bucket"]
    project_id = world.ids["projectId"]
    s3.delete_object(Bucket=bucket, Key=thumbnail_key(project_id, world.ids["imageId"]))
    key = session_key(project_id, world.ids["running"], "results.json")
    s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(_results(key)).encode())
    for session in ("running", "waiting", "silent"):
        bootstrap.aws().batch.terminate_job(jobId=_job_of(world, session), reason="it has ended")
    labels = {"labels": {"late0.png": "a"}}
    assert world.call("POST", "/api/projects/{projectId}/data/labels", labels).status == 200
    assert world.call("POST", "/api/projects/{projectId}/data/versions", {"name": "late"}).status == 201
    other = world.api.project()
    assert world.api.send_files(f"{other}/data/images", [("0.png", image(0))]).status == 201


def _fetched(urls: list[str]) -> Counter[int]:
    return Counter(urllib3.request("GET", each).status for each in urls)


@pytest.mark.injects(
    "images that came after the backup, and as many that were deleted since, when its tables are restored",
    times=8,
    soak=400,
    outcome="found and mended, each once; every image, version and run that the API shows can be fetched",
)
def test_restored_tables_are_reconciled_with_what_has_happened_since(
    nobody: Api, times: int, tmp_path: Path
) -> None:
    """The drill of docs/deploy.md: export, life goes on, restore, reconcile; then rows and objects agree."""
    file = str(tmp_path / "rows.jsonl")
    with own_stack("darkroom-restore") as stack:
        world = build(nobody, stack, f"u-{uuid4().hex[:12]}")
        world.api.send_files(_images(world), [(f"old{n}.png", image(800 + n)) for n in range(times)])
        before = traces.of_user(stack, world.user_id)
        assert _command(stack, "export", file)[0] == 0
        _live_on(world, times)
        assert _command(stack, "import", file, "--confirm", "another") == (
            1, f"this replaces all rows: --confirm {stack.stack_name}",
        )  # fmt: skip
        assert _command(stack, "import", file, "--confirm", stack.stack_name)[0] == 0
        rows = [each for each in before if not each.startswith(("object", "job", "multipart"))]
        assert Counter(rows) - Counter(traces.of_user(stack, world.user_id)) == Counter()
        status, line = _command(stack, "reconcile")
        assert (status, line.split()[1:]) == (1, ["found;", "--repair", "mends", "them"])

        assert reconcile(hours=2) == {
            "image-without-object": times,
            "image-without-thumbnail": 1,
            # Two an image; of the version and of the other project's image.
            "object-without-row": 2 * times + 1 + 2,
            "session-completed-since": 1,
            # Its job died; the stop that nobody heard; SubmitJob's answer was lost.
            "session-without-job": 3,
        }
        assert reconcile(hours=2) == Counter()
        _check_all_can_be_fetched(world)


def _check_all_can_be_fetched(world: World) -> None:
    listed = _accepted(world)
    assert _fetched([each["thumbnailUrl"] for each in listed]) == {200: len(listed)}
    versions = world.call("GET", "/api/projects/{projectId}/data/versions").json["items"]
    path = "/api/projects/{projectId}/data/versions/"
    urls = [world.call("GET", path + each["versionId"]).json["manifestUrl"] for each in versions]
    assert _fetched(urls) == {200: len(versions)}
    runs = world.call("GET", "/api/projects/{projectId}/training").json["items"]
    states = {each["sessionId"]: each["status"] for each in runs}
    names = {name: states[world.ids[name]] for name in ("running", "sessionId", "waiting", "silent", "lost")}
    failed = dict.fromkeys(("waiting", "silent", "lost"), "failed")
    assert names == {"running": "completed", "sessionId": "completed", **failed}
    assert world.call("GET", "/api/projects/{projectId}/training/{running}/results").status == 200
    loose = traces.loose_ends(world.stack, world.user_id)
    assert not [each for each in loose if not each.startswith("a job")]
