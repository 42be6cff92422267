"""In-memory dataset versions."""

from collections.abc import Sequence
from threading import Lock

from chalicelib.contract.datasets import DatasetVersion
from chalicelib.services.names import folded


class FakeVersions:
    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], DatasetVersion] = {}
        self._names: set[tuple[str, str]] = set()
        self._lock = Lock()

    def add(self, version: DatasetVersion) -> bool:
        key, name = (version.project_id, version.version_id), (version.project_id, folded(version.name or ""))
        with self._lock:
            if key in self.rows or (version.name and name in self._names):
                return False
            self._names.add(name)
            self.rows[key] = version
        return True

    def get(self, project_id: str, version_id: str) -> DatasetVersion | None:
        return self.rows.get((project_id, version_id))

    def list(
        self, project_id: str, limit: int, before: str | None, named: bool = False
    ) -> Sequence[DatasetVersion]:
        own = [row for (project, _), row in sorted(self.rows.items(), reverse=True) if project == project_id]
        older = (each for each in own if before is None or each.version_id < before)
        return [each for each in older if each.name or not named][:limit]
