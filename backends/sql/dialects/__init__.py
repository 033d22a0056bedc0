"""What the databases differ in, one module each."""

from __future__ import annotations
