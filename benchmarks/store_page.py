"""How long the page of a large experience store takes to open: `python -m benchmarks.store_page [EXPERIENCES]`.

Made-up tasks (`benchmarks.synthetic`), searches of 50 trials, in a store on the disk. Prints the seconds until a client
has the page the first time, again, filtered to one data set, and searched for a text.
"""

from __future__ import annotations

import sys
import tempfile
import threading
from pathlib import Path

import numpy as np

from benchmarks.store_size import SEED, fill
from benchmarks.synthetic import related_tasks
from benchmarks.watch_opening import seconds_for, write_run
from xautolm.run_folder import RunFolder
from xautolm.watching import WatchServer

EXPERIENCES = 100_000
DATA_SETS = 40


def main() -> None:
    """Measure, and print."""
    size = int(sys.argv[1]) if len(sys.argv) > 1 else EXPERIENCES
    tasks = related_tasks(DATA_SETS, SEED)
    name = tasks[0].data.name
    with tempfile.TemporaryDirectory() as place:
        location = str(Path(place) / "store.db")
        fill(location, size, tasks, np.random.default_rng(SEED))
        root = Path(place) / "run"
        write_run(RunFolder(root), 1)
        with WatchServer(root, 0, location) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            seconds = {
                "opened": seconds_for(server, "/store"),
                "again": seconds_for(server, "/store"),
                "one data set": seconds_for(server, f"/store?data={name}"),
                "a text that is nowhere": seconds_for(server, "/store?text=nowhere"),
            }
            server.shutdown()
    told = [f"{what} {duration:.2f} s" for what, duration in seconds.items()]
    print(f"{size:,} experiences: {', '.join(told)}")


if __name__ == "__main__":
    main()
