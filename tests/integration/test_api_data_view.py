"""The data view over the API: filters, deletion, splits, classes and the summary."""

from typing import Any

import pytest

from tests.images import image
from tests.integration.conftest import Api, counted

BOXES = [{"label": "kat", "box": [0, 0, 4, 4]}, {"label": "dog", "box": [1, 1, 4, 4]}]
LARGEST = "7" + "Z" * 25
#: Each changes or reads a project's data.
REQUESTS = {
    "data/images/delete": {"imageIds": [LARGEST]},
    "data/splits": {"splits": {"0.png": "val"}},
    "data/classes/rename": {"renames": {"a": "b"}},
}


@pytest.fixture
def project(api: Api) -> str:
    return _project(api)


@pytest.fixture(scope="module")
def owner(nobody: Api) -> Api:
    return nobody.register()


@pytest.fixture(scope="module")
def kept(owner: Api) -> str:
    """A project of `owner` for the tests that change nothing."""
    return _project(owner)


def _project(api: Api) -> str:
    """Six images, 0.png to 5.png: three cats, two dogs and one without a label."""
    path = api.project()
    api.send_files(f"{path}/data/images", [(f"{n}.png", image(n)) for n in range(6)])
    labels = {f"{n}.png": "cat" if n < 3 else "dog" for n in range(5)}
    assert api.call("POST", f"{path}/data/labels", {"labels": labels}).status == 200
    return path


def _names(api: Api, project: str, query: str = "") -> list[str]:
    """Every image of a list, page by page."""
    names: list[str] = []
    cursor = ""
    while cursor is not None:
        answer = api.call("GET", f"{project}/data/images?limit=2&{query}{cursor and '&cursor=' + cursor}")
        assert answer.status == 200, answer.body
        names += [each["fileName"] for each in answer.json["items"]]
        cursor = answer.json["nextCursor"]
    return sorted(names)


def _ids(api: Api, project: str) -> dict[str, str]:
    items = api.call("GET", f"{project}/data/images").json["items"]
    return {each["fileName"]: each["imageId"] for each in items}


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("", [0, 1, 2, 3, 4, 5]),
        ("status=accepted", [0, 1, 2, 3, 4, 5]),
        ("status=rejected", []),
        ("label=cat", [0, 1, 2]),
        ("label=c%61t&labelled=true", [0, 1, 2]),
        ("labelled=true", [0, 1, 2, 3, 4]),
        ("labelled=false", [5]),
        ("split=none", [0, 1, 2, 3, 4, 5]),
        ("split=train", []),
        (f"uploadId={LARGEST}", []),
    ],
)
def test_a_list_is_narrowed_by_filters(owner: Api, kept: str, query: str, numbers: list[int]) -> None:
    """Each filter lists the images that fit it, on pages that follow each other."""
    assert _names(owner, kept, query) == [f"{n}.png" for n in numbers]


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("labelled=perhaps", "labelled"),
        ("split=validation", "split"),
        ("status=gone", "status"),
        ("uploadId=sha256%23", "uploadId"),
        ("colour=red", "colour"),
    ],
)
def test_a_wrong_filter_is_a_problem(owner: Api, kept: str, query: str, name: str) -> None:
    """A filter that is unknown, or has a value that isn't its own, is 422 with its name."""
    answer = owner.call("GET", f"{kept}/data/images?{query}")
    assert (answer.status, answer.problem()) == (422, "invalid-query")
    assert [each["pointer"] for each in answer.json["errors"]] == [f"?{name}"]


def test_a_wrong_split_is_told_every_right_one(owner: Api, kept: str) -> None:
    """Also `none`, by which images without a split are found."""
    answer = owner.call("GET", f"{kept}/data/images?split=unsplit")
    assert answer.json["errors"][0]["message"] == "Input should be 'train', 'val', 'test' or 'none'"


def test_the_largest_cursor_has_nothing_after_it(owner: Api, kept: str) -> None:
    """The last id that there could be is a valid cursor of both lists."""
    for path in ("images", "labels"):
        answer = owner.call("GET", f"{kept}/data/{path}?cursor={LARGEST}")
        assert (answer.status, answer.json) == (200, {"items": [], "nextCursor": None})


def test_images_of_an_upload_are_listed(api: Api, project: str) -> None:
    """What came by a signed upload is found by it; what was sent directly isn't."""
    files = [{"fileName": "x.png", "sizeBytes": 9, "contentType": "text/plain"}]
    upload = api.call("POST", f"{project}/data/uploads", {"files": files}).json
    assert _names(api, project, f"uploadId={upload['uploadId']}") == ["x.png"]


def test_images_are_deleted_by_id(api: Api, project: str) -> None:
    """Images go with their labels and bytes; an unknown id is named; the same again changes nothing."""
    ids = _ids(api, project)
    body = {"imageIds": [ids["0.png"], ids["1.png"], LARGEST, "sha256#0"]}
    for _ in range(2):
        answer = api.call("POST", f"{project}/data/images/delete", body)
        assert (answer.status, answer.json["deleted"], answer.json["more"]) == (207, 2, False)
        assert {each["imageId"]: each["code"] for each in answer.json["failed"]} == {
            LARGEST: "image-not-found",
            "sha256#0": "image-not-found",
        }
    assert _names(api, project) == ["2.png", "3.png", "4.png", "5.png"]
    labels = api.call("GET", f"{project}/data/labels").json["items"]
    assert sorted(each["fileName"] for each in labels) == ["2.png", "3.png", "4.png"]
    sent = api.send_files(f"{project}/data/images", [("0.png", image(0))]).json
    assert sent["summary"]["created"] == 1


@pytest.mark.parametrize(
    ("wanted", "left"),
    [
        ({"label": "cat"}, [3, 4, 5]),
        ({"labelled": False}, [0, 1, 2, 3, 4]),
        ({"status": "accepted"}, []),
        ({"split": "none", "label": "dog"}, [0, 1, 2, 5]),
        ({"uploadId": LARGEST}, [0, 1, 2, 3, 4, 5]),
    ],
)
def test_images_are_deleted_by_filter(
    api: Api, project: str, wanted: dict[str, Any], left: list[int]
) -> None:
    """What the list shows for a filter is what its deletion removes."""
    answer = api.call("POST", f"{project}/data/images/delete", {"filter": wanted})
    assert answer.json == {"deleted": 6 - len(left), "failed": [], "more": False, "nextCursor": None}
    assert _names(api, project) == [f"{n}.png" for n in left]


def test_an_empty_filter_deletes_nothing(owner: Api, kept: str) -> None:
    """A filter that says nothing is refused with a hint how everything is deleted."""
    answer = owner.call("POST", f"{kept}/data/images/delete", {"filter": {}})
    assert (answer.status, answer.problem()) == (422, "empty-filter")
    assert '"status": "accepted"' in answer.json["hint"]
    assert len(_names(owner, kept)) == 6


def test_ids_of_another_project_are_not_deleted(api: Api, project: str) -> None:
    """An id that is somebody else's, or of another project, is unknown here."""
    answer = api.call(
        "POST", f"{api.project()}/data/images/delete", {"imageIds": [*_ids(api, project).values()]}
    )
    assert (answer.json["deleted"], len(answer.json["failed"])) == (0, 6)
    assert len(_names(api, project)) == 6


def test_deleting_a_hundred_costs_four_transactions(api: Api) -> None:
    """33 images a transaction, and one call of S3 for all their objects."""
    path = f"{api.project()}/data/images"
    api.send_files(path, [(f"{n}.png", image(n)) for n in range(100)])
    with counted() as calls:
        answer = api.call("POST", f"{path}/delete", {"filter": {"status": "accepted"}})
    assert answer.json["deleted"] == 100
    # Admission, images and labels in one page each, ceil(100 / 33) transactions.
    assert (calls["dynamodb"], calls["s3"]) == (1 + 2 + 4, 1)


def test_splits_are_stored_and_shown(api: Api, project: str) -> None:
    """A split is set by name or id, listed, counted, and taken away again."""
    ids = _ids(api, project)
    body: dict[str, Any] = {
        "splits": {"0.png": "train", ids["1.png"]: "val", "3.png": "test", "x.png": "val"}
    }
    answer = api.call("POST", f"{project}/data/splits", body)
    assert (answer.status, answer.json["summary"]) == (207, {"updated": 3, "failed": 1, "omitted": 0})
    assert [(each["key"], each["code"]) for each in answer.json["items"]] == [("x.png", "unknown-image")]
    assert _names(api, project, "split=val") == ["1.png"]
    assert api.call("GET", f"{project}/data/images/{ids['3.png']}").json["split"] == "test"
    summary = api.call("GET", f"{project}/data/summary").json
    assert summary["splits"] == {"train": 1, "val": 1, "test": 1, "none": 3}
    assert api.call("POST", f"{project}/data/splits", {"splits": {"0.png": None}}).status == 200
    assert _names(api, project, "split=train") == []
    none = api.call("POST", f"{project}/data/splits", {"splits": {"x.png": "val"}})
    assert (none.status, none.problem()) == (422, "no-split-stored")


def test_classes_are_renamed_and_merged(api: Api, project: str) -> None:
    """A merge leaves one class; an exchange of names isn't undone by itself."""
    merged = api.call("POST", f"{project}/data/classes/rename", {"renames": {"dog": "cat"}})
    assert merged.json == {"updated": 2, "classes": {"cat": 2}, "nextCursor": None}
    api.call("POST", f"{project}/data/labels", {"labels": {"5.png": "dog"}})
    swapped = {"renames": {"cat": "dog", "dog": "cat"}}
    assert api.call("POST", f"{project}/data/classes/rename", swapped).json["updated"] == 6
    assert api.call("GET", f"{project}/data/summary").json["classes"] == {"cat": 1, "dog": 5}


def test_classes_of_boxes_are_renamed(api: Api) -> None:
    """Each object is renamed in its place; an image without objects is left alone."""
    path = api.project("detection")
    api.send_files(f"{path}/data/images", [(f"{n}.png", image(n)) for n in range(2)])
    api.call("POST", f"{path}/data/labels", {"labels": {"0.png": BOXES, "1.png": []}})
    answer = api.call("POST", f"{path}/data/classes/rename", {"renames": {"kat": "cat"}})
    assert answer.json["classes"] == {"cat": 1, "dog": 1}
    labels = {
        each["fileName"]: each["label"] for each in api.call("GET", f"{path}/data/labels").json["items"]
    }
    assert labels == {"0.png": [{**BOXES[0], "label": "cat"}, BOXES[1]], "1.png": []}


def test_the_summary_says_what_there_is(api: Api, project: str) -> None:
    """Counts, sizes, imbalance and the verdict that a start would give."""
    api.send_files(f"{project}/data/images", [("bad.png", b"no image"), ("again.png", image(1))])
    found = api.call("GET", f"{project}/data/summary").json
    assert (found["images"], found["labelled"], found["unlabelled"], found["negatives"]) == (6, 5, 1, 0)
    assert (found["classes"], found["imbalance"]) == ({"cat": 3, "dog": 2}, 1.5)
    assert "objects" not in found
    assert found["sizes"] == {"width": {"min": 8, "max": 8}, "height": {"min": 8, "max": 8}}
    assert found["readiness"]["ready"] is True
    assert [each["code"] for each in found["readiness"]["warnings"]] == ["unlabelled-images"]
    assert len(found["warnings"]) == 1
    # Pictures of one colour have nothing by which they could be compared.
    assert found["nearDuplicates"] == {"images": 0, "groups": 0, "examples": []}


def test_the_summary_of_boxes_counts_objects_and_negatives(api: Api) -> None:
    """A detection project counts objects a class besides images, and images without any."""
    path = api.project("detection")
    api.send_files(f"{path}/data/images", [(f"{n}.png", image(n)) for n in range(2)])
    api.call("POST", f"{path}/data/labels", {"labels": {"0.png": BOXES, "1.png": []}})
    found = api.call("GET", f"{path}/data/summary").json
    assert (found["negatives"], found["objects"]) == (1, {"dog": 1, "kat": 1})


def test_the_verdict_is_that_of_start(api: Api) -> None:
    """What can't be trained on is refused by start with the code that the summary had said."""
    path = api.project()
    found = api.call("GET", f"{path}/data/summary").json["readiness"]
    assert found["ready"] is False
    start = api.call("POST", f"{path}/training/start")
    assert found["problems"][0]["code"] == start.problem()


_TOO_MANY = [LARGEST] * 10_001


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("images/delete", {}),
        ("images/delete", {"imageIds": []}),
        ("images/delete", {"imageIds": _TOO_MANY}),
        ("images/delete", {"imageIds": "all"}),
        ("images/delete", {"imageIds": [5]}),
        ("images/delete", {"imageIds": [None]}),
        ("images/delete", {"imageIds": ["x" * 65]}),
        ("images/delete", {"imageIds": [LARGEST], "filter": {"label": "a"}}),
        ("images/delete", {"imageIds": [LARGEST], "cursor": LARGEST}),
        ("images/delete", {"filter": {"label": 5}}),
        ("images/delete", {"filter": {"status": "gone"}}),
        ("images/delete", {"filter": {"labelled": "true"}}),
        ("images/delete", {"filter": {"uploadId": "sha256#"}}),
        ("images/delete", {"filter": {"lable": "cat"}}),
        ("images/delete", {"filter": {"label": "a"}, "cursor": "x"}),
        ("images/delete", {"filter": []}),
        ("images/delete", [1]),
        ("splits", {"splits": {}}),
        ("splits", {"splits": {"a": "validation"}}),
        ("splits", {"splits": {"a": 1}}),
        ("splits", {"splits": ["a"]}),
        ("splits", {"splits": {str(n): "val" for n in range(10_001)}}),
        ("classes/rename", {"renames": {}}),
        ("classes/rename", {"renames": {"a": None}}),
        ("classes/rename", {"renames": {"a": " "}}),
        ("classes/rename", {"renames": {"a": "\x00"}}),
        ("classes/rename", {"renames": {"a": "b"}, "cursor": "x"}),
        ("classes/rename", {"renames": {str(n): "x" for n in range(1001)}}),
    ],
)
def test_hostile_bodies_are_refused_and_change_nothing(owner: Api, kept: str, path: str, body: Any) -> None:
    """Whatever is too many, of another type or unknown is 422 with a pointer, and the data stays."""
    answer = owner.call("POST", f"{kept}/data/{path}", body)
    assert answer.status == 422
    answer.problem()
    assert answer.json["errors"]
    assert len(_names(owner, kept, "labelled=true&split=none")) == 5


def test_half_characters_are_only_unknown(owner: Api, kept: str) -> None:
    """JSON can spell half a surrogate pair; such a key is reported, never an internal error."""
    for path, raw in (
        ("images/delete", rb'{"imageIds": ["\ud800"]}'),
        ("splits", rb'{"splits": {"\ud800": "val"}}'),
        ("classes/rename", rb'{"renames": {"\ud800": "a"}}'),
        ("classes/rename", rb'{"renames": {"cat": "\ud800"}}'),
        ("images/delete", rb'{"filter": {"label": "\ud800"}}'),
    ):
        answer = owner.send("POST", f"{kept}/data/{path}", raw)
        assert answer.status in (200, 207, 422), (path, answer.body)
    assert len(_names(owner, kept)) == 6


@pytest.mark.parametrize("path", REQUESTS)
def test_somebody_else_s_project_is_not_there(nobody: Api, kept: str, path: str) -> None:
    """Each request to another user's project is the same 404 as to one that doesn't exist."""
    stranger = nobody.register()
    for target in (kept, f"/api/projects/{LARGEST}"):
        answer = stranger.call("POST", f"{target}/{path}", REQUESTS[path])
        assert (answer.status, answer.problem()) == (404, "project-not-found")
    assert nobody.call("POST", f"{kept}/{path}", REQUESTS[path]).status == 401
