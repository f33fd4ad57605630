"""The ways of answering that a client can ask for, and what the model is told in each."""

from __future__ import annotations

from typing import Literal

Mode = Literal["auto", "soc", "ciso", "code"]

DEFAULT: Mode = "auto"

INSTRUCTIONS: dict[Mode, str] = {
    "auto": "You help defenders of computer systems. Answer plainly, and say what you do not know.",
    "soc": "You help an analyst in a security operations centre: triage, evidence, next step.",
    "ciso": "You help a chief information security officer: risk, cost and decision, in few words.",
    "code": "You help a developer write safe code: the fix first, then the reason for it.",
}

MODES: tuple[Mode, ...] = tuple(INSTRUCTIONS)
