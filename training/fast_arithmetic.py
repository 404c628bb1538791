"""bfloat16 where the processor has it: elsewhere it is emulated, eight times slower than float32."""

from __future__ import annotations

import torch


def fast_autocast() -> torch.autocast:
    """A context that computes in bfloat16 on processors with instructions for it, and in float32 on all others."""
    said = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    fast = any(said.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=fast)
