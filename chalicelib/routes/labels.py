"""Labels, splits and classes."""

from ..bootstrap import services
from ..schemas.base import Page
from ..schemas.labels import (
    ClassesRename,
    ClassesRenamedAnswer,
    LabelAnswer,
    LabelsAnswer,
    LabelsCreate,
    SplitsAnswer,
    SplitsUpdate,
)
from .api import Answered, Api, Call
from .paging import PAGING, fitting
from .partly import partly

api = Api(__name__)


@api.endpoint(
    "POST",
    "/api/projects/{projectId}/data/labels",
    summary="Label images, by image id or file name; a label replaces the image's earlier one.",
    body=LabelsCreate,
    answers={200: LabelsAnswer, 207: LabelsAnswer},
    scope="upload",
)
def store_labels(call: Call) -> Answered:
    answer = LabelsAnswer.of(services().labelling.store(call.admitted.project, call.body.labels))
    return partly(answer, answer.summary, answer.summary.updated, noun="label")


@api.endpoint(
    "GET",
    "/api/projects/{projectId}/data/labels",
    summary="Every label with its image's id and file name.",
    query=PAGING,
    answers={200: Page[LabelAnswer]},
    scope="read",
)
def export_labels(call: Call) -> Answered:
    limit, cursor = call.query["limit"], call.query["cursor"]
    items, after = services().gallery.export(call.admitted.project.project_id, limit, cursor)
    return Answered(200, fitting([LabelAnswer.of(each) for each in items], after, lambda each: each.image_id))


@api.endpoint(
    "POST",
    "/api/projects/{projectId}/data/splits",
    summary="Keep images for the split train, val or test, by image id or file name; null takes it away.",
    body=SplitsUpdate,
    answers={200: SplitsAnswer, 207: SplitsAnswer},
    scope="upload",
)
def store_splits(call: Call) -> Answered:
    answer = SplitsAnswer.of(services().splits.store(call.admitted.project.project_id, call.body.splits))
    return partly(answer, answer.summary, answer.summary.updated, noun="split")


@api.endpoint(
    "POST",
    "/api/projects/{projectId}/data/classes/rename",
    summary="Rename classes in every label, or merge several into one; past sessions keep theirs.",
    body=ClassesRename,
    answers={200: ClassesRenamedAnswer},
    scope="upload",
)
def rename_classes(call: Call) -> Answered:
    body = call.body
    renamed = services().class_names.rename(call.admitted.project.project_id, body.renames, body.cursor)
    return Answered(200, ClassesRenamedAnswer.of(renamed))
