"""`python -m funcdl` is the same program as `funcdl`."""

from funcdl.cli import main

if __name__ == "__main__":
    main()
