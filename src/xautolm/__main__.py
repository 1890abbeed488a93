"""The program `xautolm`; `python -m xautolm` is the same."""

import signal
import sys


def main() -> None:
    """Run the command line; Ctrl-C while its modules load ends it without a trace, as later on."""
    try:
        from xautolm.cli import main as run
    except KeyboardInterrupt:
        print("interrupted before anything began", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)
    run()


if __name__ == "__main__":
    main()
