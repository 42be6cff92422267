"""Mixed precision."""

import torch


class Amp:
    """bfloat16 where the GPU has it, else float16 with a scaled loss; none on a CPU.

    Autocast on a CPU without hardware for it is about ten times slower than float32.
    """

    def __init__(self, device: torch.device, wanted: bool) -> None:
        self.enabled = wanted and device.type == "cuda"
        brain = self.enabled and torch.cuda.is_bf16_supported(including_emulation=False)
        self._type, self._dtype = device.type, torch.bfloat16 if brain or not self.enabled else torch.float16
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.enabled and not brain)

    def autocast(self) -> torch.autocast:
        return torch.autocast(self._type, dtype=self._dtype, enabled=self.enabled)
