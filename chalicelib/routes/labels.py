"""Labels."""

from ..bootstrap import services
from ..contract.errors import UnprocessableError
from ..schemas.base import Page
from ..schemas.labels import LabelAnswer, LabelsAnswer, LabelsCreate
from .api import Answered, Api, Call
from .paging import PAGING, page

api = Api(__name__)


@api.endpoint(
    "POST",
    "/api/projects/{projectId}/data/labels",
    summary="Label images, by image id or file name; a label replaces the image's earlier one.",
    body=LabelsCreate,
    answers={200: LabelsAnswer, 207: LabelsAnswer},
)
def store_labels(call: Call) -> Answered:
    answer = LabelsAnswer.of(services().labelling.store(call.admitted.project, call.body.labels))
    if not answer.summary.updated:
        raise UnprocessableError(
            "none of the labels was stored",
            code="no-label-stored",
            hint="See items for the reason of each.",
            extra=answer.model_dump(by_alias=True, mode="json"),
        )
    return Answered(207 if answer.summary.failed else 200, answer)


@api.endpoint(
    "GET",
    "/api/projects/{projectId}/data/labels",
    summary="Every label with its image's id and file name.",
    query=PAGING,
    answers={200: Page[LabelAnswer]},
)
def export_labels(call: Call) -> Answered:
    limit = call.query["limit"]
    found = services().gallery.export(call.admitted.project.project_id, limit, call.query["cursor"])
    return Answered(200, page(found, limit, lambda each: each.label.image_id, LabelAnswer.of))
