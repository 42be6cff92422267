"""What the API answers of uploads."""

import pytest

from chalicelib.contract.errors import RejectedImageError
from chalicelib.contract.ids import ulid_at
from chalicelib.contract.records import Upload
from chalicelib.schemas.uploads import UploadStatus
from chalicelib.services.filters import MAX_IMPORT_FILES
from chalicelib.services.names import MAX_FILE_NAME
from chalicelib.services.posted_uploads import Reconciliation
from chalicelib.services.uploads import rejection
from tests.support import NOW, new_id

LAMBDA_BYTES = 6_000_000


@pytest.mark.parametrize("rejected", [0, 5000, MAX_IMPORT_FILES])
def test_the_largest_import_fits_into_an_answer(rejected):
    """Every file counts, and no more of them are named than an answer of Lambda has room for."""
    upload_id, name = new_id(), "n" * MAX_FILE_NAME
    expires = {"created_at": NOW, "closes_at": NOW, "expires_at": 0}
    upload = Upload(
        project_id="P", image_id="", upload_id=upload_id, expected=MAX_IMPORT_FILES, parts=250, **expires
    )
    row = rejection(upload, upload_id, name, RejectedImageError("x" * 100, code="unsupported-format"), NOW)
    pending = [(name, ulid_at(upload_id, 1 + n)) for n in range(rejected, MAX_IMPORT_FILES)]
    counts = {"rejected": rejected, "pending": len(pending)}
    found = Reconciliation(upload, counts, [row] * rejected, pending, 0)
    answer = UploadStatus.of(found)
    assert len(answer.model_dump_json(by_alias=True)) < LAMBDA_BYTES
    assert answer.expected == answer.rejected + answer.pending == MAX_IMPORT_FILES
    assert len(answer.rejected_files) + len(answer.pending_files) == 10_000
