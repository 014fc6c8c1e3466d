"""The agent is asked to end."""

from __future__ import annotations


class Interrupted(Exception):
    """Raised between two steps, while every step so far is whole.

    It is no AgentError: nothing that goes on after a mistake goes on after this.
    """

    def __init__(self) -> None:
        super().__init__("the pass: ended between two steps; the next one finishes it")
