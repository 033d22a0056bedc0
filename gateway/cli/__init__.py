"""The `scim-gateway` program: one module per command, each a thin layer over what the rooms can do.

Exit codes: 0 done; 1 something is wrong with the configuration or the system, said in sentences; 2 the command line
itself cannot be understood.
"""


def main() -> None:
    """Run the program with the arguments of the process."""
    # Here and not above: whoever only wants the demo's files must not load the whole gateway.
    from gateway.cli.program import run

    run()
