"""``python -m skyulf`` is the ``skyulf`` command."""

from skyulf.cli import main

if __name__ == "__main__":
    main()
