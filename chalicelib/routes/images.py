"""The images of a project."""

from typing import Literal

from ..bootstrap import services
from ..contract.records import ImageStatus, SplitName
from ..schemas.base import Page, Ulid
from ..schemas.data import DeletionAnswer, ImageAnswer, ImagesDelete
from ..schemas.summary import SummaryAnswer
from ..services.filters import Filter
from .api import Answered, Api, Call, Query
from .paging import PAGING, fitting

api = Api(__name__)

_FILTERS = {
    "status": Query(ImageStatus, None, "Only images in this state; by default all but the deleted."),
    "label": Query(str, None, "Only images of this class; for detection, with an object of it."),
    "labelled": Query(bool, None, "Only images with a label (true), or without (false)."),
    "split": Query(Literal[SplitName, "none"], None, "Only images kept for this split; none: for no split."),
    "uploadId": Query(Ulid, None, "Only images of this upload."),
}


@api.endpoint(
    "GET",
    "/api/projects/{projectId}/data/images",
    summary="Images with label, state and thumbnail, oldest first; a short page may have a nextCursor too.",
    query={**PAGING, **_FILTERS},
    answers={200: Page[ImageAnswer]},
    scope="read",
)
def list_images(call: Call) -> Answered:
    query = dict(call.query)
    limit, cursor = query.pop("limit"), query.pop("cursor")
    wanted = Filter(upload_id=query.pop("uploadId"), **query)
    items, after = services().gallery.list(call.admitted.project.project_id, limit, cursor, wanted)
    return Answered(200, fitting([ImageAnswer.of(each) for each in items], after, lambda each: each.image_id))


@api.endpoint(
    "GET",
    "/api/projects/{projectId}/data/images/{imageId}",
    summary="An image.",
    answers={200: ImageAnswer},
    scope="read",
)
def get_image(call: Call) -> Answered:
    shown = services().gallery.get(call.admitted.project.project_id, call.path["imageId"])
    return Answered(200, ImageAnswer.of(shown))


@api.endpoint(
    "DELETE",
    "/api/projects/{projectId}/data/images/{imageId}",
    summary="Delete an image and its label.",
    answers={204: None},
    problems=(409,),
)
def delete_image(call: Call) -> Answered:
    services().deletion.one(call.admitted.project.project_id, call.path["imageId"])
    return Answered(204)


@api.endpoint(
    "POST",
    "/api/projects/{projectId}/data/images/delete",
    summary="Delete images and their labels, by id or by filter, up to 5,000 a request.",
    body=ImagesDelete,
    answers={200: DeletionAnswer, 207: DeletionAnswer},
)
def delete_images(call: Call) -> Answered:
    body, project_id = call.body, call.admitted.project.project_id
    if body.filter is None:
        deleted = services().deletion.by_ids(project_id, body.image_ids)
    else:
        deleted = services().deletion.by_filter(project_id, body.filter.wanted(), body.cursor)
    return Answered(207 if deleted.failures else 200, DeletionAnswer.of(deleted))


@api.endpoint(
    "GET",
    "/api/projects/{projectId}/data/summary",
    summary="Counts of images, labels, splits and near-duplicates, and whether it can be trained on.",
    answers={200: SummaryAnswer},
    scope="read",
)
def summarize(call: Call) -> Answered:
    return Answered(200, SummaryAnswer.of(services().overview.summary(call.admitted.project)))
