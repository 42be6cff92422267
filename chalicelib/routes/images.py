"""Images: uploads both ways, and the gallery."""

from ..bootstrap import services
from ..contract.errors import UnprocessableError
from ..contract.records import ImageStatus
from ..schemas.base import Page
from ..schemas.data import (
    ImageAnswer,
    SentImages,
    SummaryAnswer,
    UploadAnswer,
    UploadCreate,
    UploadStatus,
)
from ..services.uploads import AnnouncedFile
from .api import Answered, Api, Call, Query
from .body import read_files
from .paging import PAGING, page

api = Api(__name__)


@api.endpoint(
    "POST",
    "/api/projects/{projectId}/data/images",
    summary="Upload images in the request, up to 4.5 MB in all, in the multipart field `images`.",
    content_type="multipart/form-data",
    answers={201: SentImages, 207: SentImages},
)
def send_images(call: Call) -> Answered:
    files = read_files(call.raw, call.headers["content-type"], "images")
    answer = SentImages.of(services().direct_uploads.store(call.admitted.project.project_id, files))
    if answer.summary.failed == answer.summary.received:
        raise UnprocessableError(
            "none of the files was stored",
            code="no-file-stored",
            hint="See items for the reason of each.",
            extra=answer.model_dump(by_alias=True, mode="json"),
        )
    return Answered(207 if answer.summary.failed else 201, answer)


@api.endpoint(
    "POST",
    "/api/projects/{projectId}/data/uploads",
    summary="Announce files and get one signed form with which all of them can be posted to S3.",
    body=UploadCreate,
    answers={201: UploadAnswer},
)
def open_upload(call: Call) -> Answered:
    project_id = call.admitted.project.project_id
    files = [AnnouncedFile(each.file_name, each.size_bytes, each.content_type) for each in call.body.files]
    opened = services().posted_uploads.open(project_id, files)
    location = f"/api/projects/{project_id}/data/uploads/{opened.upload.upload_id}"
    return Answered(201, UploadAnswer.of(opened), {"Location": location})


@api.endpoint(
    "GET",
    "/api/projects/{projectId}/data/uploads/{uploadId}",
    summary="Where each file of an upload stands.",
    answers={200: UploadStatus},
)
def reconcile_upload(call: Call) -> Answered:
    found = services().posted_uploads.reconcile(call.admitted.project.project_id, call.path["uploadId"])
    return Answered(200, UploadStatus.of(found))


@api.endpoint(
    "GET",
    "/api/projects/{projectId}/data/images",
    summary="Images with label, state and thumbnail, oldest first.",
    query={
        **PAGING,
        "status": Query(ImageStatus, None, "Only images in this state; by default all but the deleted."),
    },
    answers={200: Page[ImageAnswer]},
)
def list_images(call: Call) -> Answered:
    limit, cursor, status = (call.query[name] for name in ("limit", "cursor", "status"))
    found = services().gallery.list(call.admitted.project.project_id, limit, cursor, status)
    return Answered(200, page(found, limit, lambda each: each.image.image_id, ImageAnswer.of))


@api.endpoint(
    "GET",
    "/api/projects/{projectId}/data/images/{imageId}",
    summary="An image.",
    answers={200: ImageAnswer},
)
def get_image(call: Call) -> Answered:
    shown = services().gallery.get(call.admitted.project.project_id, call.path["imageId"])
    return Answered(200, ImageAnswer.of(shown))


@api.endpoint(
    "DELETE",
    "/api/projects/{projectId}/data/images/{imageId}",
    summary="Delete an image and its label.",
    answers={204: None},
)
def delete_image(call: Call) -> Answered:
    services().gallery.delete(call.admitted.project.project_id, call.path["imageId"])
    return Answered(204)


@api.endpoint(
    "GET",
    "/api/projects/{projectId}/data/summary",
    summary="Counts of images and of labels a class, with warnings.",
    answers={200: SummaryAnswer},
)
def summarize(call: Call) -> Answered:
    return Answered(200, SummaryAnswer.of(services().gallery.summary(call.admitted.project.project_id)))
