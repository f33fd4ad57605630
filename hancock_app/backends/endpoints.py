"""Where the known OpenAI-compatible servers are, and what they are asked for by default."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Endpoint:
    """A server, its model, and the key that it wants; an empty key is not sent."""

    url: str
    model: str
    key: str = field(default="", repr=False)


PRESETS = {
    "ollama": Endpoint("http://127.0.0.1:11434/v1", "llama3.1:8b"),
    "nvidia": Endpoint("https://integrate.api.nvidia.com/v1", "meta/llama-3.1-8b-instruct"),
    # Any other; where it is and what it has, only the operator knows.
    "openai_compatible": Endpoint("", ""),
}
