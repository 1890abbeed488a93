"""How long `xautolm watch` takes to open a run of 500 trials: `python -m benchmarks.watch_opening [TRIALS]`.

Prints the seconds until a client has the page of how the run stands, the first time and the second; and until it has
the whole page below it, which a browser asks for when it shows the first.
"""

from __future__ import annotations

import http.client
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

from tests.report.pages import made_up_run
from xautolm.run_folder import RunFolder
from xautolm.serialization import write_json
from xautolm.testing import made_up_spec
from xautolm.trial_folder import TrialFolder
from xautolm.vocabulary import Stage
from xautolm.watching import WatchServer, address_of

TRIALS = 500


def write_run(folder: RunFolder, trials: int) -> None:
    """Write a run of made-up trials, as a search leaves it."""
    content = made_up_run(trials)
    folder.data.mkdir(parents=True)
    folder.write_info(content.info)
    for stage in Stage:
        folder.mark(stage)
    write_json(folder.clock, {"seconds": 600.0})
    for experience in content.experiences:
        trial = TrialFolder(folder.trial(experience.trial))
        trial.root.mkdir(parents=True)
        spec = replace(
            made_up_spec(experience.trial),
            configuration=experience.configuration,
            metrics=content.info.metrics,
        )
        trial.write_spec(spec)
        trial.write_outcome(experience.outcome)
        trial.write_explanation(content.explanations[experience.trial])


def seconds_for(server: WatchServer, path: str) -> float:
    """Return how long a client waits for a page."""
    begin = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port)
    connection.request("GET", path)
    response = connection.getresponse()
    content = response.read()
    assert response.status == 200 and content
    return time.monotonic() - begin


def main() -> None:
    """Measure, and print."""
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else TRIALS
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "run"
        write_run(RunFolder(root), trials)
        with WatchServer(root, 0) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            first = seconds_for(server, "/")
            second = seconds_for(server, "/")
            whole = seconds_for(server, f"{address_of(root.name)}report")
            server.shutdown()
    print(
        f"{trials} trials: opened in {first:.2f} s, again in {second:.2f} s; the whole page in {whole:.2f} s"
    )


if __name__ == "__main__":
    main()
