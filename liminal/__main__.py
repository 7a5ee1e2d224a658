"""``python -m liminal`` is the command ``liminal``."""

from liminal.cli import main

if __name__ == "__main__":
    main()
