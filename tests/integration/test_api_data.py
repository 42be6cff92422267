"""Images and labels over the API."""

import json

import pytest
import urllib3

from app import app
from tests.images import image, png_bomb
from tests.integration.conftest import Api, counted, multipart


def test_multipart_answers_what_became_of_each_file(api: Api) -> None:
    """201 when all are stored, 207 when mixed, 422 when none; a reason for each refusal."""
    images = f"{api.project()}/data/images"
    first = api.send_files(images, [("a.png", image(1)), ("b.jpg", image(2, kind="JPEG"))])
    assert (first.status, first.json["summary"]) == (
        201,
        {"received": 2, "created": 2, "duplicate": 0, "failed": 0},
    )
    assert first.json["items"][0].keys() == {"fileName", "status", "imageId", "width", "height", "sha256"}

    mixed = api.send_files(images, [("c.png", image(1)), ("d.png", image(3)), ("e.jpg", b"plain text")])
    assert mixed.status == 207
    assert mixed.json["summary"] == {"received": 3, "created": 1, "duplicate": 1, "failed": 1}
    assert mixed.json["items"][0]["imageId"] == first.json["items"][0]["imageId"]
    assert mixed.json["items"][2]["error"]["code"] == "unsupported-format"

    none = api.send_files(images, [("f.png", b"")])
    assert (none.status, none.problem()) == (422, "no-file-stored")
    assert none.json["items"][0]["error"]["code"] == "empty-file"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"])
def test_each_format_is_taken_for_what_it_is(api: Api, kind: str) -> None:
    """The content decides the type, whatever the file is called."""
    project = api.project()
    sent = api.send_files(f"{project}/data/images", [("some.txt", image(7, kind=kind))]).json
    got = api.call("GET", f"{project}/data/images/{sent['items'][0]['imageId']}").json
    assert got["contentType"] == f"image/{kind.lower()}"
    assert (got["width"], got["height"], got["status"]) == (8, 8, "accepted")


HOSTILE = {
    "empty-file": b"",
    "unsupported-format": b"not an image at all",
    "undecodable": image(5, side=64, kind="JPEG")[:400],
    "too-many-pixels": png_bomb(),
}


@pytest.mark.parametrize("code", HOSTILE)
def test_bad_file_is_refused_and_the_rest_stored(api: Api, code: str) -> None:
    """A file that is no image costs nobody else's place in the batch."""
    answer = api.send_files(
        f"{api.project()}/data/images", [("bad.jpg", HOSTILE[code]), ("good.png", image(1))]
    )
    assert answer.status == 207
    assert [each["status"] for each in answer.json["items"]] == ["failed", "created"]
    assert answer.json["items"][0]["error"]["code"] == code


def test_svg_is_refused(api: Api) -> None:
    """An SVG is a program, not a photograph."""
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    answer = api.send_files(f"{api.project()}/data/images", [("a.svg", svg)])
    assert answer.json["items"][0]["error"]["code"] == "unsupported-format"


@pytest.mark.parametrize("name", ["é.png", "a+b.png", "100%.png", "%2e%2e.png", "cats/1.png", "日本語.png"])
def test_file_names_survive(api: Api, name: str) -> None:
    """A name goes out as it came in, and a label finds it."""
    project = api.project()
    sent = api.send_files(f"{project}/data/images", [(name, image(1))])
    assert sent.json["items"][0]["fileName"] == name
    assert api.call("POST", f"{project}/data/labels", {"labels": {name: "x"}}).status == 200
    assert api.call("GET", f"{project}/data/labels").json["items"][0]["fileName"] == name


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a/../../b.png", "..\\\\b.png"])
def test_names_that_climb_are_refused(api: Api, name: str) -> None:
    """A file name that would leave a folder is refused with a code, and the rest stored."""
    answer = api.send_files(f"{api.project()}/data/images", [(name, image(1)), ("good.png", image(2))])
    assert answer.status == 207
    assert answer.json["items"][0]["error"]["code"] == "file-name-unsafe"


def test_more_than_lambda_takes_names_the_other_way(api: Api) -> None:
    """Above 4.5 MB the answer is a 413 that says where to go."""
    answer = api.send_files(f"{api.project()}/data/images", [("a.png", bytes(4_600_000))])
    assert (answer.status, answer.problem()) == (413, "request-too-large")
    assert "/data/uploads" in answer.json["hint"]


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (*multipart([("a.png", b"x")], field="files"), 400, "files-missing"),
        (b"", "multipart/form-data; boundary=edge", 400, "malformed-multipart"),
        (b"--edge\r\nnonsense", "multipart/form-data; boundary=edge", 400, "malformed-multipart"),
        (b"abc", "multipart/form-data", 400, "malformed-multipart"),
        (
            multipart([("a.png", b"x")])[0][:-10],
            "multipart/form-data; boundary=edge",
            400,
            "malformed-multipart",
        ),
        (b"{}", "application/json", 415, "unsupported-media-type"),
    ],
)
def test_broken_multipart_is_a_problem(
    api: Api, body: bytes, content_type: str, status: int, code: str
) -> None:
    """Whatever stands in the body, the answer is a 4xx with a code."""
    answer = api.send("POST", f"{api.project()}/data/images", body, content_type)
    assert (answer.status, answer.problem()) == (status, code)


def _post(upload: dict[str, object], key: str, content: bytes) -> int:
    fields = {
        **upload["fields"],
        "key": key,
        "Content-Type": "image/png",
        "file": ("f", content, "image/png"),
    }  # type: ignore[dict-item]
    return urllib3.request("POST", str(upload["url"]), fields=fields).status


def _ingest(api: Api, *keys: str) -> None:
    """Runs the ingest function as its queue would."""
    records = [
        {
            "messageId": str(number),
            "attributes": {"ApproximateReceiveCount": "1"},
            "body": json.dumps({"Records": [{"s3": {"object": {"key": key}}}]}),
        }
        for number, key in enumerate(keys)
    ]
    assert app.handler_map["ingest"]({"Records": records}, None) == {"batchItemFailures": []}


def test_posted_upload_adds_up_at_every_moment(api: Api) -> None:
    """One signed form takes all files; the reconciliation says where each of them stands."""
    project = api.project()
    files = [{"fileName": f"{n}.png", "sizeBytes": 100, "contentType": "image/png"} for n in range(5)] + [
        {"fileName": "big.png", "sizeBytes": 60_000_000, "contentType": "image/png"}
    ]
    upload = api.call("POST", f"{project}/data/uploads", {"files": files})
    assert upload.status == 201
    assert [each["code"] for each in upload.json["rejected"]] == ["file-too-large"]
    images = upload.json["images"]
    contents = [image(1), image(2), image(2), b"not an image"]
    path = upload.headers["Location"]

    seen = []
    for entry, content in zip(images, contents, strict=False):
        assert _post(upload.json, entry["key"], content) == 204
        _ingest(api, entry["key"])
        _ingest(api, entry["key"])  # events come more than once
        found = api.call("GET", path).json
        counts = {name: found[name] for name in ("accepted", "duplicate", "rejected", "pending")}
        assert sum(counts.values()) == found["expected"] == 6
        seen.append(tuple(counts.values()))

    assert seen == [(1, 0, 1, 4), (2, 0, 1, 3), (2, 1, 1, 2), (2, 1, 2, 1)]
    assert [each["fileName"] for each in found["pendingFiles"]] == ["4.png"]
    assert {each["code"] for each in found["rejectedFiles"]} == {"file-too-large", "unsupported-format"}
    assert found["status"] == "open"


def test_deleted_image_is_gone_and_still_adds_up(api: Api) -> None:
    """Deleting removes image and label; a late event can't bring it back, and its upload still adds up."""
    project = api.project()
    files = [{"fileName": "a.png", "sizeBytes": 100, "contentType": "image/png"}]
    upload = api.call("POST", f"{project}/data/uploads", {"files": files}).json
    entry = upload["images"][0]
    _post(upload, entry["key"], image(1))
    _ingest(api, entry["key"])
    api.call("POST", f"{project}/data/labels", {"labels": {"a.png": "cat"}})

    assert api.call("DELETE", f"{project}/data/images/{entry['imageId']}").status == 204
    _post(upload, entry["key"], image(1))
    _ingest(api, entry["key"])

    assert api.call("GET", f"{project}/data/images/{entry['imageId']}").problem() == "image-not-found"
    assert api.call("GET", f"{project}/data/labels").json["items"] == []
    found = api.call("GET", f"{project}/data/uploads/{upload['uploadId']}").json
    assert (found["accepted"], found["pending"], found["status"]) == (1, 0, "complete")
    # Its bytes may come again.
    assert api.send_files(f"{project}/data/images", [("a.png", image(1))]).json["summary"]["created"] == 1


def test_images_are_listed_with_label_and_thumbnail(api: Api) -> None:
    """Pages follow each other without a gap; the signed URLs give the bytes."""
    project = api.project()
    api.send_files(f"{project}/data/images", [(f"{n}.png", image(n)) for n in range(5)])
    api.call("POST", f"{project}/data/labels", {"labels": {"0.png": "cat"}})

    names, cursor = [], ""
    while cursor is not None:
        page = api.call("GET", f"{project}/data/images?limit=2{cursor and '&cursor=' + cursor}").json
        names += [each["fileName"] for each in page["items"]]
        cursor = page["nextCursor"]
    assert sorted(names) == [f"{n}.png" for n in range(5)]
    first = next(
        each
        for each in api.call("GET", f"{project}/data/images").json["items"]
        if each["fileName"] == "0.png"
    )
    assert first["label"] == "cat"
    assert urllib3.request("GET", first["url"]).data == image(0)
    assert urllib3.request("GET", first["thumbnailUrl"]).headers["Content-Type"] == "image/jpeg"


def test_labels_report_every_failure_by_its_key(api: Api) -> None:
    """What can be stored is stored; the rest is named with its reason."""
    project = api.project()
    sent = api.send_files(
        f"{project}/data/images", [("a.png", image(1)), ("same.png", image(2)), ("same.png", image(3))]
    )
    ids = [each["imageId"] for each in sent.json["items"]]
    labels = {"a.png": "cat", ids[1]: "dog", "same.png": "dog", "none.png": "cat", ids[2]: "", ids[0]: "dog"}
    answer = api.call("POST", f"{project}/data/labels", {"labels": labels})
    assert answer.status == 207
    assert answer.json["summary"] == {"updated": 2, "failed": 4, "omitted": 0}
    assert answer.json["classes"] == {"cat": 1, "dog": 1}
    assert {each["key"]: each["code"] for each in answer.json["items"]} == {
        "same.png": "ambiguous-file-name",
        "none.png": "unknown-image",
        ids[2]: "bad-class",
        ids[0]: "conflicting-label",
    }
    none = api.call("POST", f"{project}/data/labels", {"labels": {"none.png": "cat"}})
    assert (none.status, none.problem()) == (422, "no-label-stored")


def test_detection_labels_are_boxes_in_the_image(api: Api) -> None:
    """A detection project takes boxes in pixels, an empty list for an image without objects."""
    project = api.project("detection")
    api.send_files(f"{project}/data/images", [(f"{n}.png", image(n)) for n in range(3)])
    labels = {
        "0.png": [{"label": "cat", "box": [0, 0, 4.5, 8]}],
        "1.png": [],
        "2.png": [{"label": "cat", "box": [4, 4, 8, 8]}],
    }
    answer = api.call("POST", f"{project}/data/labels", {"labels": labels})
    assert answer.json["classes"] == {"cat": 1}
    assert [each["code"] for each in answer.json["items"]] == ["box-outside-image"]
    exported = {
        each["fileName"]: each["label"] for each in api.call("GET", f"{project}/data/labels").json["items"]
    }
    assert exported == {name: labels[name] for name in ("0.png", "1.png")}


def test_summary_counts_what_there_is(api: Api) -> None:
    """Counts per class, unlabelled images and a warning for what can't be validated."""
    project = api.project()
    api.send_files(f"{project}/data/images", [(f"{n}.png", image(n)) for n in range(4)])
    api.call("POST", f"{project}/data/labels", {"labels": {"0.png": "a", "1.png": "a", "2.png": "b"}})
    summary = api.call("GET", f"{project}/data/summary").json
    assert (summary["images"], summary["labelled"], summary["unlabelled"]) == (4, 3, 1)
    assert summary["classes"] == {"a": 2, "b": 1}
    assert len(summary["warnings"]) == 2


@pytest.mark.parametrize(
    ("query", "pointer"),
    [("limit=0", "?limit"), ("limit=x", "?limit"), ("cursor=..", "?cursor"), ("page=2", "?page")],
)
def test_wrong_query_is_a_problem(api: Api, query: str, pointer: str) -> None:
    """A query parameter that is unknown or out of its bounds is 422 with its name."""
    answer = api.call("GET", f"{api.project()}/data/images?{query}")
    assert answer.status == 422
    assert answer.problem() == "invalid-query"
    assert answer.json["errors"][0]["pointer"] == pointer


def test_deleted_refusals_and_duplicates_still_count_as_such(api: Api) -> None:
    """The reconciliation says what a file had become, also after its row was deleted."""
    project = api.project()
    files = [{"fileName": f"{n}.png", "sizeBytes": 100, "contentType": "image/png"} for n in range(3)]
    upload = api.call("POST", f"{project}/data/uploads", {"files": files}).json
    for entry, content in zip(upload["images"], [image(1), image(1), b"no image"], strict=True):
        _post(upload, entry["key"], content)
        _ingest(api, entry["key"])
    path = f"{project}/data/uploads/{upload['uploadId']}"
    before = api.call("GET", path).json
    for entry in upload["images"]:
        assert api.call("DELETE", f"{project}/data/images/{entry['imageId']}").status == 204
    after = api.call("GET", path).json
    for name in ("expected", "accepted", "duplicate", "rejected", "pending"):
        assert after[name] == before[name]
    assert (after["accepted"], after["duplicate"], after["rejected"]) == (1, 1, 1)


def test_ten_thousand_refused_announcements_cost_batches(api: Api) -> None:
    """A folder of which no file can be taken is answered with a reason for each, in bounded calls."""
    files = [{"fileName": f"{n}.png", "sizeBytes": 99, "contentType": "text/plain"} for n in range(1000)]
    project = api.project()
    with counted() as calls:
        answer = api.call("POST", f"{project}/data/uploads", {"files": files})
    assert answer.status == 201
    # Admission, the names, the upload, and 25 rows a call.
    assert calls["dynamodb"] == 1 + 1 + 1 + 1000 // 25
    found = api.call("GET", answer.headers["Location"]).json
    assert (found["expected"], found["rejected"], found["pending"]) == (1000, 1000, 0)


def test_label_failures_fit_into_an_answer(api: Api) -> None:
    """As many failures as Lambda can answer are listed, and the others counted."""
    project = api.project()
    labels = {f"{n:05}-{'x' * 240}": "cat" for n in range(20_000)}
    answer = api.call("POST", f"{project}/data/labels", {"labels": labels})
    assert answer.status == 422
    assert len(answer.body) < 6_000_000
    summary = answer.json["summary"]
    assert summary["failed"] == 20_000
    assert len(answer.json["items"]) == 20_000 - summary["omitted"] > 10_000


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "TIFF"])
def test_damaged_file_is_told_from_a_foreign_one(api: Api, kind: str) -> None:
    """A file that begins as an image does is damaged, whatever its parser thinks of the rest."""
    content = image(1, side=64, kind=kind)[:30]
    answer = api.send_files(f"{api.project()}/data/images", [("a", content)])
    assert answer.json["items"][0]["error"]["code"] == "undecodable"
