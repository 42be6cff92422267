"""The few lines of HTTP that a client of Darkroom needs."""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import urllib3

_POSTS_AT_A_TIME = 8

#: (file name, content)
File = tuple[str, bytes]


class ApiError(Exception):
    """The API's answer was a problem."""


@dataclass
class Client:
    """Talks JSON to one Darkroom."""

    url: str
    token: str | None = None
    pool: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(maxsize=_POSTS_AT_A_TIME))

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One request; returns the JSON of the answer.

        Raises:
            ApiError: the answer was no success; it says what the API said.
        """
        content = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} if content else {}
        return self._send(method, path, content, headers)

    def send_images(self, project: str, files: Sequence[File]) -> Any:
        """Uploads images in one multipart request."""
        body, content_type = urllib3.encode_multipart_formdata(
            [("images", (name, content, "image/png")) for name, content in files]
        )
        return self._send("POST", f"{project}/data/images", body, {"Content-Type": content_type})

    def predict(self, session: str, content: bytes) -> Any:
        """What a run's model says of an image; `session` is the path of the run."""
        body, content_type = urllib3.encode_multipart_formdata({"image": ("image", content, "image/png")})
        return self._send("POST", f"{session}/predict", body, {"Content-Type": content_type})

    def post_images(self, project: str, files: Sequence[File]) -> str:
        """Uploads images to S3 under one signed form; returns the path of the reconciliation."""
        announced = [
            {"fileName": name, "sizeBytes": len(content), "contentType": "image/png"}
            for name, content in files
        ]
        upload = self.call("POST", f"{project}/data/uploads", {"files": announced})
        with ThreadPoolExecutor(_POSTS_AT_A_TIME) as pool:
            list(
                pool.map(
                    lambda image, file: self._post(upload, image["key"], file[1]), upload["images"], files
                )
            )
        return f"{project}/data/uploads/{upload['uploadId']}"

    def _post(self, upload: Mapping[str, Any], key: str, content: bytes) -> None:
        fields = {
            **upload["fields"],
            "key": key,
            "Content-Type": "image/png",
            "file": ("file", content, "image/png"),
        }
        answer = self.pool.request("POST", upload["url"], fields=fields)
        if answer.status != 204:
            raise ApiError(f"S3 answered {answer.status}: {answer.data.decode()}")

    def _send(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Any:
        authorization = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        answer = self.pool.request(method, self.url + path, body=body, headers={**headers, **authorization})
        document = json.loads(answer.data) if answer.data else None
        if answer.status >= 400:
            raise ApiError(f"{method} {path}: {answer.status} {document}")
        return document
