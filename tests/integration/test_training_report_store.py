"""Where a run leaves its files, against the stack of infra/template.yaml."""

from pathlib import Path

from infra.local.aws import EmbeddedAws
from training_job.objects import ObjectStore
from training_job.report import ReportStore


def test_large_file_goes_in_parts(stack: EmbeddedAws, tmp_path: Path) -> None:
    """A file past 8 MB is uploaded in parts, whole and with its type, into the attempt's own folder."""
    s3, bucket, body = stack.client("s3"), stack.outputs["Bucket"], bytes(range(256)) * 36_000
    (tmp_path / "model").write_bytes(body)
    store = ReportStore(
        objects=ObjectStore(s3, bucket), project_id="p", session_id="s", generation=2, attempt=3
    )
    key = store.put_file("artifacts/model", tmp_path / "model", "application/octet-stream")
    assert key == "projects/p/sessions/s/2-3/artifacts/model"
    answer = s3.get_object(Bucket=bucket, Key=key)
    assert answer["Body"].read() == body
    assert answer["ContentType"] == "application/octet-stream"
    assert answer["ETag"].strip('"').endswith("-2")  # as S3 marks an object of two parts
