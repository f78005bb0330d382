"""Runs scenarios by name: ``python e2e/run.py FAMILY[/CAUSE[--VARIANT]] … [--record] [--no-fix]``."""

from __future__ import annotations

import argparse
import sys

from harness import ScenarioError, run, scenarios


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=[""])
    parser.add_argument("--record", action="store_true", help="write tests/recordings/<name>.json")
    parser.add_argument("--no-fix", action="store_true", help="stop after the diagnosis")
    parser.add_argument("--keep", action="store_true", help="leave the namespace")
    options = parser.parse_args()
    chosen = [one for name in options.names or [""] for one in scenarios(name)]
    failed = 0
    for scenario in chosen:
        try:
            outcome = run(scenario, record=options.record, fix=not options.no_fix, keep=options.keep)
        except (ScenarioError, OSError) as error:
            failed += 1
            print(f"FAILED {scenario.name}: {error}", flush=True)
            continue
        healed = "-" if outcome.fixed_in is None else f"{outcome.fixed_in:.0f}s"
        broken, first = f"{outcome.broken_in:.0f}s", f"{outcome.first} {outcome.confidence}"
        print(f"ok {scenario.name}  broken in {broken}  {first}  fixed in {healed}", flush=True)
    print(f"{len(chosen) - failed} passed, {failed} failed")
    return 1 if failed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
