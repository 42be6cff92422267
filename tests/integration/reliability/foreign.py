"""Every place in the API where an id can stand, found in the OpenAPI document, and ids to put there."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from chalicelib import bootstrap, openapi
from chalicelib.console import console
from chalicelib.contract.ids import PATTERN
from chalicelib.routes.documentation import BLUEPRINTS
from infra.local import jobs as jobs  # a job waits RUNNABLE: imported for its effect on moto
from tests.images import image
from tests.integration.conftest import Api, multipart

T = TypeVar("T")
_ENDPOINTS = {each.name: each for blueprint in BLUEPRINTS for each in blueprint.endpoints}
_DOCUMENT = openapi.document(_ENDPOINTS.values())
_SCHEMAS = _DOCUMENT["components"]["schemas"]
#: What names an id where no pattern says so.
_NAMES = re.compile("[a-z]+Ids?|cursor|with")


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for an id: in an endpoint's path, query or body, where it has a JSON pointer.

    In a pointer `{}` stands for any member's name, `[]` for an element.
    """

    endpoint: str
    place: str
    name: str

    def __str__(self) -> str:
        declared = _ENDPOINTS[self.endpoint]
        return f"{declared.method} {declared.path} {self.place}:{self.name}"


def slots() -> list[Slot]:
    """Those of every endpoint but the public ones that are read: what they hold is nobody's."""
    return [
        slot
        for each in _ENDPOINTS.values()
        if not (each.public and each.method == "GET")
        for slot in _of_endpoint(each.name, each.method, each.path)
    ]


def _of_endpoint(name: str, method: str, path: str) -> Iterator[Slot]:
    operation = _DOCUMENT["paths"][path][method.lower()]
    for each in operation["parameters"]:
        is_id = PATTERN in json.dumps(each["schema"]) or _NAMES.fullmatch(each["name"])
        if each["in"] == "path" or (each["in"] == "query" and is_id):
            yield Slot(name, each["in"], each["name"])
    for content in operation.get("requestBody", {}).get("content", {}).values():
        yield from (Slot(name, "body", pointer) for pointer in _pointers(content["schema"], ""))


def _pointers(schema: Mapping[str, Any], at: str) -> Iterator[str]:
    if "$ref" in schema:
        yield from _pointers(_SCHEMAS[schema["$ref"].rsplit("/", 1)[1]], at)
        return
    if PATTERN in schema.get("pattern", "") or (at and _is_named(schema, at)):
        yield at
        return
    for each in schema.get("anyOf", []):
        yield from _pointers(each, at)
    for member, each in schema.get("properties", {}).items():
        yield from dict.fromkeys(_pointers(each, f"{at}/{member}"))
    if isinstance(schema.get("additionalProperties"), dict):
        yield f"{at}/{{}}"
    if "items" in schema:
        yield from _pointers(schema["items"], f"{at}/[]")


def _is_named(schema: Mapping[str, Any], at: str) -> bool:
    name = at.removesuffix("/[]").rsplit("/", 1)[1]
    return schema.get("type") == "string" and _NAMES.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class World:
    """A user's project with one of everything; `ids` by the names of the paths' parameters."""

    api: Api
    path: str
    ids: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, api: Api) -> "World":
        world = cls(api, api.project())
        sent = api.send_files(f"{world.path}/data/images", [(f"{n}.png", image(n)) for n in range(4)]).json
        images = [each["imageId"] for each in sent["items"]]
        labels = {each: "ab"[n % 2] for n, each in enumerate(images)}
        world._post("data/labels", {"labels": labels})
        files = [{"fileName": "n.png", "sizeBytes": 9, "contentType": "image/png"}]
        version = world._post("data/versions", {"name": "first"})["versionId"]
        ids = {
            "projectId": world.path.rsplit("/", 1)[1],
            "imageId": images[0],
            "uploadId": world._post("data/uploads", {"files": files})["uploadId"],
            "versionId": version,
            "importId": world._post("data/imports", {"fileName": "a.zip", "sizeBytes": 9})["importId"],
            "exportId": world._post("data/exports", {"format": "darkroom"})["exportId"],
            "sessionId": world._post("training/start", {"versionId": version})["sessionId"],
            "keyId": api.call("POST", "/api/users/me/keys", {"name": "k", "scopes": ["read"]}).json["keyId"],
        }
        return replace(world, ids=ids | {"version": console().version, "folder": "app", "file": "main.js"})

    def _post(self, path: str, body: Any) -> Any:
        answer = self.api.call("POST", f"{self.path}/{path}", body)
        assert answer.status < 300, answer.body
        return answer.json


@dataclass(frozen=True, slots=True)
class Seen:
    """What a request told its sender, and what it asked of AWS."""

    status: int
    body: str
    calls: Counter[str]

    @property
    def writes(self) -> list[str]:
        return [each for each in self.calls if each.rpartition(".")[2] not in READS]


READS = {
    "BatchGetItem", "GetItem", "Query", "GetObject", "HeadObject", "ListObjectsV2", "ListParts",
    "DescribeJobs", "ListJobs", "GetSecretValue", "GetLogEvents",
}  # fmt: skip


def send(api: Api, slot: Slot, ids: Mapping[str, str], body: Any, query: str = "") -> Seen:
    """Sends a request to a slot's endpoint with these ids in its path; multipart bodies are made here."""
    declared = _ENDPOINTS[slot.endpoint]
    path = declared.path.format(**ids) + query
    with recorded() as calls:
        if declared.content_type == "multipart/form-data":
            sent, content_type = multipart([("new.png", image(77))])
            answer = api.send(declared.method, path, sent, content_type)
        else:
            answer = api.call(declared.method, path, body)
    return Seen(answer.status, answer.body.decode(), calls)


@contextmanager
def recorded() -> Iterator[Counter[str]]:
    """Counts the calls that leave for AWS by service and operation."""
    calls: Counter[str] = Counter()

    def count(event_name: str, **_: Any) -> None:
        calls[event_name.removeprefix("before-send.")] += 1

    aws = bootstrap.aws()
    clients = (aws.dynamodb, aws.s3, aws.batch, aws.secrets, aws.logs)
    for client in clients:
        client.meta.events.register("before-send", count)
    try:
        yield calls
    finally:
        for client in clients:
            client.meta.events.unregister("before-send", count)


def spread(cases: Sequence[T], times: int) -> list[T]:
    """So many of the cases, from all of their length."""
    return [cases[number * len(cases) // times] for number in range(times)]


def comparable(seen: Seen, sent_id: str) -> tuple[int, Any]:
    """What two answers have in common when they say the same: less the id asked for and signatures."""
    text = seen.body.replace(sent_id, "<id>")
    text = re.sub(r"\?[^\"]*X-Amz[^\"]*", "", text)
    document = json.loads(text) if text else None
    if isinstance(document, dict):
        document.pop("requestId", None)
    return seen.status, document
