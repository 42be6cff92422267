import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import torch
from tiny import CPU

from training_job.environment import environment, processor_name


@contextmanager
def agent(body: bytes) -> Iterator[str]:
    """The address of an ECS agent that answers that."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v4/c"
        server.shutdown()
        thread.join()


def test_environment_names_versions_and_processors() -> None:
    """What has a say in the figures is there, and it is plain JSON."""
    described = json.loads(json.dumps(environment(CPU, {})))
    assert described["packages"]["torch"] == torch.__version__.split("+")[0]
    assert {"torchvision", "numpy", "pillow", "onnxruntime"} <= described["packages"].keys()
    assert described["device"] == described["processor"] != ""
    assert described["threads"] == torch.get_num_threads()
    assert described["cuda"] is None
    assert described["container"] == {"image": None, "digest": None}


def test_container_is_the_agents() -> None:
    """In ECS, and so in Batch, the image's name and digest come from the agent."""
    with agent(json.dumps({"Image": "training:1", "ImageID": "sha256:abc"}).encode()) as uri:
        described = environment(CPU, {"ECS_CONTAINER_METADATA_URI_V4": uri})
    assert described["container"] == {"image": "training:1", "digest": "sha256:abc"}


def test_agent_that_fails_costs_the_digest_alone() -> None:
    """Nonsense from the agent, or none there at all, leaves the image that the environment names."""
    with agent(b"not JSON") as uri:
        nonsense = environment(CPU, {"ECS_CONTAINER_METADATA_URI_V4": uri, "CONTAINER_IMAGE": "training:1"})
    gone = environment(CPU, {"ECS_CONTAINER_METADATA_URI_V4": uri, "CONTAINER_IMAGE": "training:1"})
    assert nonsense["container"] == gone["container"] == {"image": "training:1", "digest": None}


def test_processor_is_named_by_linux_or_by_its_architecture(tmp_path: Path) -> None:
    """Where there is no /proc/cpuinfo, or no name in it as on ARM, the architecture has to do."""
    (tmp_path / "named").write_text("processor : 0\nmodel name : Fast CPU @ 3 GHz\nmodel name : other\n")
    (tmp_path / "unnamed").write_text("processor : 0\n")
    assert processor_name(tmp_path / "named") == "Fast CPU @ 3 GHz"
    assert processor_name(tmp_path / "unnamed") == processor_name(tmp_path / "none") != ""
