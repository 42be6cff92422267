"""Imports and exports of whole data sets."""

from ..bootstrap import services
from ..logs import note
from ..schemas.base import Page
from ..schemas.transfers import ExportAnswer, ExportCreate, ImportAnswer, ImportCreate
from ..services.transfer_book import ShownTransfer
from .api import Answered, Api, Call
from .idempotency import idempotency_key
from .paging import PAGING, page

api = Api(__name__)

_POLL_SECONDS = 5
_IMPORTS = "/api/projects/{projectId}/data/imports"
_EXPORTS = "/api/projects/{projectId}/data/exports"


@api.endpoint(
    "POST",
    _IMPORTS,
    summary="Announce an archive of images and annotations, and get a URL for each part of it.",
    body=ImportCreate,
    headers={"Idempotency-Key": "With the same key, the same request within 24 hours is the same import."},
    answers={201: ImportAnswer},
    scope="upload",
)
def open_import(call: Call) -> Answered:
    body, key = call.body, idempotency_key(call.headers)
    opened = services().imports.open(
        call.admitted.project, body.file_name, body.size_bytes, body.format, key, call.request_id
    )
    note(transferId=opened.transfer.transfer_id)
    return Answered(201, ImportAnswer.of(opened), _location(_IMPORTS, opened))


@api.endpoint(
    "GET",
    _IMPORTS,
    summary="The imports, newest first.",
    query=PAGING,
    answers={200: Page[ImportAnswer]},
    scope="read",
)
def list_imports(call: Call) -> Answered:
    limit = call.query["limit"]
    found = services().imports.list(call.admitted.project, limit, call.query["cursor"])
    return Answered(200, page(found, limit, _id_of, ImportAnswer.of))


@api.endpoint(
    "GET",
    _IMPORTS + "/{importId}",
    summary="How far an import is; while it is sent, fresh URLs for the parts that are missing.",
    answers={200: ImportAnswer},
    scope="read",
)
def get_import(call: Call) -> Answered:
    return Answered(
        200, ImportAnswer.of(services().imports.get(call.admitted.project, call.path["importId"]))
    )


@api.endpoint(
    "POST",
    _IMPORTS + "/{importId}/complete",
    summary="Say that every part was sent: the import begins. A repeat changes nothing.",
    answers={202: ImportAnswer},
    scope="upload",
    problems=(409,),
)
def complete_import(call: Call) -> Answered:
    done = services().imports.complete(call.admitted.project, call.path["importId"])
    return Answered(202, ImportAnswer.of(done), _location(_IMPORTS, done) | _retry_after())


@api.endpoint(
    "POST",
    _EXPORTS,
    summary="Write the labelled images and their labels into a zip, in one of the annotation formats.",
    body=ExportCreate,
    headers={"Idempotency-Key": "With the same key, the same request within 24 hours is the same export."},
    answers={202: ExportAnswer},
    scope="read",
)
def start_export(call: Call) -> Answered:
    body, key = call.body, idempotency_key(call.headers)
    started = services().exports.start(
        call.admitted.project, body.format, body.with_images, body.version_id, key, call.request_id
    )
    note(transferId=started.transfer.transfer_id)
    return Answered(202, ExportAnswer.of(started), _location(_EXPORTS, started) | _retry_after())


@api.endpoint(
    "GET",
    _EXPORTS,
    summary="The exports, newest first.",
    query=PAGING,
    answers={200: Page[ExportAnswer]},
    scope="read",
)
def list_exports(call: Call) -> Answered:
    limit = call.query["limit"]
    found = services().exports.list(call.admitted.project, limit, call.query["cursor"])
    return Answered(200, page(found, limit, _id_of, ExportAnswer.of))


@api.endpoint(
    "GET",
    _EXPORTS + "/{exportId}",
    summary="How far an export is.",
    answers={200: ExportAnswer},
    scope="read",
)
def get_export(call: Call) -> Answered:
    return Answered(
        200, ExportAnswer.of(services().exports.get(call.admitted.project, call.path["exportId"]))
    )


def _id_of(shown: ShownTransfer) -> str:
    return shown.transfer.transfer_id


def _location(path: str, shown: ShownTransfer) -> dict[str, str]:
    folder = path.replace("{projectId}", shown.transfer.project_id)
    replayed = {"Idempotent-Replayed": "true"} if shown.replayed else {}
    return {"Location": f"{folder}/{shown.transfer.transfer_id}", **replayed}


def _retry_after() -> dict[str, str]:
    return {"Retry-After": str(_POLL_SECONDS)}
