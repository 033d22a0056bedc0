"""Logs and metrics: what the gateway tells its operator.

Owns how things are told: names, labels, levels, and that no secret and no personal data gets out (X11). Leaves deciding
to everybody else: the rooms report events to the small protocols they declare, `TelemetryObserver` fulfils them.
"""
