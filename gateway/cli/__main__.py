"""`python -m gateway.cli`: the program without its console script."""

from gateway.cli import main

if __name__ == "__main__":
    main()
