"""The composition root: settings -> backends, tenants, engine -> site -> sockets. The only room that sees all others.

`blueprint` is what can be known without starting anything, `gateway` what runs, `listeners` where it is reached,
`process` the life of all of them together, `observation` what is told of it.
"""

from gateway.app.blueprint import Blueprint, draw
from gateway.app.gateway import Gateway
from gateway.app.listeners import ListenError
from gateway.app.observation import Observation
from gateway.app.process import Ready, Running, running, serve

__all__ = [
    "Blueprint",
    "Gateway",
    "ListenError",
    "Observation",
    "Ready",
    "Running",
    "draw",
    "running",
    "serve",
]
