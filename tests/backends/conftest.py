"""What did not apply to a backend is told after the run."""

from __future__ import annotations

from backends.conformance.plugin import pytest_terminal_summary

__all__ = ["pytest_terminal_summary"]
