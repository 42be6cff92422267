"""A predictor that has its models at hand."""

from dataclasses import dataclass, field

from chalicelib.contract.errors import ConflictError, DarkroomError, RejectedImageError
from chalicelib.contract.pictures import SIGNATURES
from chalicelib.services.prediction_ports import Classified, Detected


@dataclass
class FakePredictor:
    """Says the same of every image.

    Attributes:
        models: what is said, by the key of the results.
        fails: raised instead.
    """

    models: dict[str, Classified | Detected] = field(default_factory=dict)
    fails: DarkroomError | None = None

    def predict(self, results_key: str, image: bytes) -> Classified | Detected:
        if self.fails:
            raise self.fails
        if results_key not in self.models:
            raise ConflictError("the results were deleted", code="results-gone")
        if not image:
            raise RejectedImageError("the file is empty", code="empty-file")
        if not image.startswith(SIGNATURES):
            raise RejectedImageError("the file is none of those", code="unsupported-format")
        return self.models[results_key]
