"""A backend that keeps everything in memory: the reference for authors, and a stand-in for any kind of system."""

from backends.memory.backend import MemoryBackend
from backends.memory.settings import MemorySettings

__all__ = ["MemoryBackend", "MemorySettings"]
