"""The gateway's tests: a package, so that no installed distribution's `tests` is taken for it."""
