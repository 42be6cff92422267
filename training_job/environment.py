"""What a run ran on: environment.json, the half of repeating it that no seed holds."""

import json
import logging
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import torch

_LOG = logging.getLogger(__name__)
#: What has a say in the figures, or reads the files.
_PACKAGES = (
    "torch", "torchvision", "numpy", "pillow", "safetensors", "onnx", "onnxruntime", "torchmetrics",
    "faster-coco-eval", "matplotlib", "boto3", "obstore",
)  # fmt: skip
_DRIVER = Path("/proc/driver/nvidia/version")
_METADATA_SECONDS = 2


def environment(device: torch.device, variables: Mapping[str, str]) -> dict[str, Any]:
    """Versions, processors, and the container's image, as plain JSON values.

    Args:
        variables: of the process; CONTAINER_IMAGE and ECS_CONTAINER_METADATA_URI_V4 are read.
    """
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": dict(sorted((name, found) for name in _PACKAGES if (found := _version(name)))),
        "device": device_name(device),
        "processor": processor_name(),
        "instructionSet": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "cuda": _cuda() if device.type == "cuda" else None,
        "container": _container(variables),
    }


def device_name(device: torch.device) -> str:
    """The GPU's name, or the processor's."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else processor_name()


def processor_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """As Linux names it; its architecture where Linux doesn't."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cuda() -> dict[str, Any]:
    return {
        "runtime": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "devices": [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())],
        "driver": _DRIVER.read_text().splitlines()[0] if _DRIVER.exists() else None,
    }


def _container(variables: Mapping[str, str]) -> dict[str, str | None]:
    """The image's name, and its digest, which the ECS agent tells its containers."""
    uri, image = variables.get("ECS_CONTAINER_METADATA_URI_V4"), variables.get("CONTAINER_IMAGE")
    if not uri:
        return {"image": image, "digest": None}
    try:
        with urlopen(uri, timeout=_METADATA_SECONDS) as answer:  # noqa: S310 - the agent's own address
            document = json.load(answer)
    except (OSError, ValueError) as error:  # a run isn't lost for want of its digest
        _LOG.warning("no container metadata: %s", error)
        return {"image": image, "digest": None}
    return {"image": image or document.get("Image"), "digest": document.get("ImageID")}


def peak_memory_bytes() -> int:
    """The most that this process has held at a time (resident)."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts KiB
