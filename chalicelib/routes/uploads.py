"""Uploads: files in the request, and files posted to S3."""

from ..bootstrap import services
from ..schemas.uploads import SentImages, UploadAnswer, UploadCreate, UploadStatus
from ..services.uploads import AnnouncedFile
from .api import Answered, Api, Call
from .body import read_files
from .idempotency import idempotency_key
from .partly import partly

api = Api(__name__)


@api.endpoint(
    "POST",
    "/api/projects/{projectId}/data/images",
    summary="Upload images in the request, up to 4.5 MB in all, in the multipart field `images`.",
    content_type="multipart/form-data",
    headers={"Idempotency-Key": "With the same key, the same files within 24 hours are no duplicates."},
    answers={201: SentImages, 207: SentImages},
    scope="upload",
)
def send_images(call: Call) -> Answered:
    files = read_files(call.raw, call.headers["content-type"], "images")
    key = idempotency_key(call.headers)
    answer = SentImages.of(services().direct_uploads.store(call.admitted.project.project_id, files, key))
    stored = answer.summary.received - answer.summary.failed
    return partly(answer, answer.summary, stored, noun="file", success=201)


@api.endpoint(
    "POST",
    "/api/projects/{projectId}/data/uploads",
    summary="Announce files and get one signed form with which all of them can be posted to S3.",
    body=UploadCreate,
    headers={"Idempotency-Key": "With the same key, the same files within 24 hours are the same upload."},
    answers={201: UploadAnswer},
    scope="upload",
)
def open_upload(call: Call) -> Answered:
    project_id = call.admitted.project.project_id
    files = [AnnouncedFile(each.file_name, each.size_bytes, each.content_type) for each in call.body.files]
    opened = services().posted_uploads.open(project_id, files, idempotency_key(call.headers))
    headers = {"Location": f"/api/projects/{project_id}/data/uploads/{opened.upload.upload_id}"}
    if opened.replayed:
        headers["Idempotent-Replayed"] = "true"
    return Answered(201, UploadAnswer.of(opened), headers)


@api.endpoint(
    "POST",
    "/api/projects/{projectId}/data/uploads/{uploadId}/renew",
    summary="Get a fresh signed form for the files of an upload that haven't arrived.",
    answers={200: UploadAnswer},
    scope="upload",
    problems=(409,),
)
def renew_upload(call: Call) -> Answered:
    renewed = services().posted_uploads.renew(call.admitted.project.project_id, call.path["uploadId"])
    return Answered(200, UploadAnswer.of(renewed))


@api.endpoint(
    "GET",
    "/api/projects/{projectId}/data/uploads/{uploadId}",
    summary="Where each file of an upload stands.",
    answers={200: UploadStatus},
    scope="read",
)
def reconcile_upload(call: Call) -> Answered:
    found = services().posted_uploads.reconcile(call.admitted.project.project_id, call.path["uploadId"])
    return Answered(200, UploadStatus.of(found))
