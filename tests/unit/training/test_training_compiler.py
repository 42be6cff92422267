"""What a process does without of torch."""

import subprocess
import sys
from pathlib import Path

import pytest

from training_job import compiler

SCRIPT = """
import sys
import torch
from pathlib import Path
from training_job.artifacts import save_onnx
from training_job.model import build_model

model = build_model("mobilenet_v3_small", 2, seed=0)
optimizer = torch.optim.AdamW(model.parameters(), fused=True)
model(torch.rand(2, 3, 32, 32)).sum().backward()
optimizer.step()
optimizer.zero_grad()
save_onnx(model, 32, Path(sys.argv[1]))
print("torch._dynamo.eval_frame" in sys.modules, "sympy" in sys.modules)

import torch._dynamo.config
compiled = torch.compile(lambda x: x + 1, backend="eager")
print(compiled(torch.ones(1)).item(), "torch._dynamo.eval_frame" in sys.modules)
"""


def test_compiler_is_loaded_when_it_is_asked_for(tmp_path: Path) -> None:
    """A step of training and an export load nothing of torch's compiler; who compiles gets the real one."""
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "model.onnx")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False", "2.0", "True"]


def test_gpu_has_the_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is a GPU, what torch must not compile is told to the real compiler."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)

    def kept(x: int) -> int:
        return x + 1

    disabled = compiler._disable(kept)
    assert disabled is not kept
    assert disabled(1) == 2
