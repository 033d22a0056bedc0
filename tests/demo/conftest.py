"""The demo served in this process."""

from tests.demo_gateway import demo, demo_databases, logged, serve

__all__ = ["demo", "demo_databases", "logged", "serve"]
