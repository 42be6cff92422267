"""The images of a project."""

from ..bootstrap import services
from ..contract.records import ImageStatus
from ..schemas.base import Page
from ..schemas.data import ImageAnswer, SummaryAnswer
from .api import Answered, Api, Call, Query
from .paging import PAGING, page

api = Api(__name__)


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
