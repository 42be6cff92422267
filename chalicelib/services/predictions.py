"""Trying a run's model on an image."""

from collections.abc import Sequence

from ..contract.errors import FieldError, RejectedImageError, UnprocessableError
from ..contract.records import Session
from .direct_uploads import SentFile
from .prediction_ports import Classified, Detected, Predictor
from .runs import no_results


class Predictions:
    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def predict(self, session: Session, files: Sequence[SentFile]) -> Classified | Detected:
        """What the model of a run says of the one image that was sent.

        Raises:
            ConflictError: the run has no model (yet): with when to ask again, or why not.
            UnprocessableError: there are several files, or it is no image that Darkroom takes.
            UnavailableError: there is no room for it now, or it takes too long.
        """
        if session.results_key is None:
            raise no_results(session)
        if len(files) > 1:
            raise UnprocessableError("one image is predicted at a time", code="several-images")
        [file] = files
        try:
            return self._predictor.predict(session.results_key, file.content)
        except RejectedImageError as error:
            wrong = [FieldError("/image", error.detail)]
            raise UnprocessableError(error.detail, code=error.code, errors=wrong) from error
