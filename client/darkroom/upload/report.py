"""What came of an upload."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class FileProblem:
    """A file that wasn't taken, or not labelled, and why; `code` is for programs."""

    file_name: str
    code: str
    message: str


@dataclass(kw_only=True, slots=True)
class UploadReport:
    """What came of an upload.

    Args:
        project_id: to which project it was.
        images: that were found in the folder.
        sent: files that were sent this time.
        uploaded: images that are new in the project.
        present: files whose bytes the project had, or another file of the folder has.
        ignored: files that aren't images and don't claim to be.
        labelled: images that were labelled.
        problems: files that weren't taken.
        label_problems: images that weren't labelled, though they should have been.
        pending: files that were sent and aren't taken in yet.
    """

    project_id: str
    images: int = 0
    sent: int = 0
    uploaded: int = 0
    present: int = 0
    ignored: int = 0
    labelled: int = 0
    pending: int = 0
    problems: list[FileProblem] = field(default_factory=list)
    label_problems: list[FileProblem] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether all of it is there, and labelled as it should be."""
        return not (self.problems or self.label_problems or self.pending)
