"""`python -m xautolm`: the same program as `xautolm`."""

from xautolm.cli import main

if __name__ == "__main__":
    main()
