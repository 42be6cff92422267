"""S3 in memory: the calls that Darkroom's adapters make, on one bucket."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import md5
from threading import RLock
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape, unescape

_KEYS_A_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Stored:
    """An object."""

    content: bytes
    content_type: str
    etag: str
    modified: datetime


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Call:
    """A request, taken apart."""

    method: str
    key: str
    query: dict[str, str]
    headers: Mapping[str, str]
    body: bytes


class Bucket:
    """Answers requests of any bucket's name: there is one."""

    def __init__(self) -> None:
        self.objects: dict[str, Stored] = {}
        #: Multipart uploads under way: id -> (key, parts).
        self._uploads: dict[str, tuple[str, dict[int, bytes]]] = {}
        self._begun = 0
        self._order: list[str] = []
        self._ordered = 0
        self._lock = RLock()

    def put(self, key: str, content: bytes, content_type: str, modified: datetime | None = None) -> Stored:
        """Stores an object without a call."""
        with self._lock:
            if key not in self.objects:
                self._order.append(key)
            self.objects[key] = Stored(content, content_type, _etag(content), modified or datetime.now(UTC))
        return self.objects[key]

    def answer(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """What S3 says to a request; the bucket is the first label of the host."""
        parts = urlsplit(url)
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        call = _Call(method, unquote(parts.path.lstrip("/")), query, headers, body)
        with self._lock:
            match method, query:
                case "POST", {"delete": _}:
                    return self._delete_objects(call)
                case "GET", {"uploads": _}:
                    return self._list_uploads(call)
                case "POST", {"uploads": _}:
                    return self._begin(call)
                case (("POST" | "PUT" | "DELETE"), {"uploadId": _}):
                    return self._multipart(call)
                case "GET", {"list-type": "2"}:
                    return self._list(call)
                case "PUT", _:
                    stored = self.put(call.key, _plain(call), headers.get("Content-Type", ""))
                    return Answer(200, headers={"ETag": stored.etag})
                case (("GET" | "HEAD"), _):
                    return self._get(call)
                case "DELETE", _:
                    self.objects.pop(call.key, None)
                    return Answer(204)
        return _error(501, "NotImplemented")

    def _get(self, call: _Call) -> Answer:
        stored = self.objects.get(call.key)
        if stored is None:
            return Answer(404) if call.method == "HEAD" else _error(404, "NoSuchKey")
        content, status, extra = stored.content, 200, {}
        if asked := re.fullmatch(r"bytes=(\d+)-(\d*)", call.headers.get("Range", "")):
            first, last = int(asked[1]), min(int(asked[2] or len(content)), len(content) - 1)
            if first >= len(content):
                return _error(416, "InvalidRange")
            content, status = content[first : last + 1], 206
            extra = {"Content-Range": f"bytes {first}-{last}/{len(stored.content)}"}
        headers = {
            "Content-Length": str(len(content)),
            "Content-Type": stored.content_type,
            "ETag": stored.etag,
            "Last-Modified": stored.modified.strftime("%a, %d %b %Y %H:%M:%S GMT"),
        }
        return Answer(status, b"" if call.method == "HEAD" else content, headers | extra)

    def _list(self, call: _Call) -> Answer:
        prefix = call.query.get("prefix", "")
        after = call.query.get("continuation-token") or call.query.get("start-after", "")
        size = min(int(call.query.get("max-keys", _KEYS_A_PAGE)), _KEYS_A_PAGE)
        found = [each for each in self._keys() if each.startswith(prefix) and each > after][: size + 1]
        page, more = found[:size], len(found) > size
        entries = "".join(self._entry(each) for each in page)
        token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
        return _xml(
            f"<ListBucketResult><IsTruncated>{str(more).lower()}</IsTruncated><KeyCount>{len(page)}</KeyCount>"
            f"<EncodingType>url</EncodingType>{token}{entries}</ListBucketResult>"
        )

    def _entry(self, key: str) -> str:
        stored = self.objects[key]
        return (
            f"<Contents><Key>{quote(key)}</Key><Size>{len(stored.content)}</Size>"
            f"<ETag>{escape(stored.etag)}</ETag><LastModified>{stored.modified:%Y-%m-%dT%H:%M:%SZ}</LastModified>"
            "</Contents>"
        )

    def _keys(self) -> Iterator[str]:
        if self._ordered != len(self._order) or len(self._order) > 2 * len(self.objects) + 100:
            self._order = sorted(self.objects)
            self._ordered = len(self._order)
        return (each for each in self._order if each in self.objects)

    def _delete_objects(self, call: _Call) -> Answer:
        keys = re.findall("<Key>(.*?)</Key>", call.body.decode())
        if len(keys) > _KEYS_A_PAGE:
            return _error(400, "MalformedXML")
        for each in keys:
            self.objects.pop(unescape(each), None)
        return _xml("<DeleteResult></DeleteResult>")

    def _list_uploads(self, call: _Call) -> Answer:
        prefix = call.query.get("prefix", "")
        found = "".join(
            f"<Upload><Key>{escape(key)}</Key><UploadId>{upload_id}</UploadId></Upload>"
            for upload_id, (key, _) in self._uploads.items()
            if key.startswith(prefix)
        )
        return _xml(f"<ListMultipartUploadsResult>{found}</ListMultipartUploadsResult>")

    def _begin(self, call: _Call) -> Answer:
        self._begun += 1
        upload_id = f"u{self._begun}"
        self._uploads[upload_id] = call.key, {}
        return _xml(
            f"<InitiateMultipartUploadResult><Key>{escape(call.key)}</Key><UploadId>{upload_id}</UploadId>"
            "</InitiateMultipartUploadResult>"
        )

    def _multipart(self, call: _Call) -> Answer:
        """One part, the end, or the abort of a multipart upload."""
        upload_id = call.query["uploadId"]
        if upload_id not in self._uploads:
            return _error(404, "NoSuchUpload")
        key, parts = self._uploads[upload_id]
        if call.method == "PUT":
            parts[int(call.query["partNumber"])] = content = _plain(call)
            return Answer(200, headers={"ETag": _etag(content)})
        del self._uploads[upload_id]
        if call.method == "DELETE":
            return Answer(204)
        stored = self.put(key, b"".join(parts[each] for each in sorted(parts)), "binary/octet-stream")
        return _xml(
            f"<CompleteMultipartUploadResult><Key>{escape(key)}</Key><ETag>{escape(stored.etag)}</ETag>"
            "</CompleteMultipartUploadResult>"
        )


def _etag(content: bytes) -> str:
    return f'"{md5(content, usedforsecurity=False).hexdigest()}"'


def _plain(call: _Call) -> bytes:
    """A body without the frames of `aws-chunked`, in which the SDK sends it to add a checksum."""
    if "aws-chunked" not in call.headers.get("Content-Encoding", ""):
        return call.body
    content, at = [], 0
    while size := int(call.body[at : (line := call.body.index(b"\r\n", at))].split(b";")[0], 16):
        content.append(call.body[line + 2 : line + 2 + size])
        at = line + 2 + size + 2
    return b"".join(content)


def _xml(text: str) -> Answer:
    body = f'<?xml version="1.0" encoding="UTF-8"?>{text}'.encode()
    return Answer(200, body, {"Content-Type": "application/xml", "Content-Length": str(len(body))})


def _error(status: int, code: str) -> Answer:
    body = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
    return Answer(status, body, {"Content-Type": "application/xml"})
