"""Print the table of field cases: `python -m tests.field [PART OF A NAME]`; exit code 1 if one is not as it must be."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

from tests.field.cases import Verdict, all_cases, judge

OUTCOME_WIDTH = 150


def main() -> int:
    """Judge the cases whose name has the given part; return how many are not as they must be, at most 1."""
    part = sys.argv[1] if len(sys.argv) > 1 else ""
    cases = [case for case in all_cases() if part in case.name]
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for number, case in enumerate(cases):
            place = Path(folder) / str(number)
            try:
                verdict = judge(case, place)
            except Exception as error:
                verdict = Verdict(
                    case=case,
                    outcome=f"crash: {type(error).__name__}: {error}",
                    faults=("a traceback",),
                )
            wrong += bool(verdict.faults)
            status = "WRONG" if verdict.faults else "ok"
            outcome = verdict.outcome.replace(f"{place}{os.sep}", "")
            print(f"{status:5}  {case.name:40}  {outcome[:OUTCOME_WIDTH]}")
            for fault in verdict.faults:
                print(f"       {'':40}  ! {fault}")
    print(f"{len(cases)} cases, {wrong} not as they must be")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
