"""Runs scenarios by name: ``python e2e/run.py FAMILY[/CAUSE[--VARIANT]] … [--record] [--no-fix]``."""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor

from harness import Scenario, run, scenarios


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=[""])
    parser.add_argument("--record", action="store_true", help="write tests/recordings/<name>.json")
    parser.add_argument("--no-fix", action="store_true", help="stop after the diagnosis")
    parser.add_argument("--keep", action="store_true", help="leave the namespace")
    parser.add_argument(
        "-j", "--jobs", type=int, default=1, help="scenarios at once; exclusive ones take turns"
    )
    options = parser.parse_args()
    chosen = [one for name in options.names or [""] for one in scenarios(name)]

    def attempt(scenario: Scenario) -> bool:
        try:
            outcome = run(scenario, record=options.record, fix=not options.no_fix, keep=options.keep)
        except Exception as error:  # noqa: BLE001 - one scenario's failure must not end the others
            print(f"FAILED {scenario.name}: {type(error).__name__}: {error}", flush=True)
            return False
        healed = "-" if outcome.fixed_in is None else f"{outcome.fixed_in:.0f}s"
        broken, first = f"{outcome.broken_in:.0f}s", f"{outcome.first} {outcome.confidence}"
        print(f"ok {scenario.name}  broken in {broken}  {first}  fixed in {healed}", flush=True)
        return True

    with ThreadPoolExecutor(options.jobs) as pool:
        passed = list(pool.map(attempt, [one for one in chosen if not one.exclusive]))
    passed += [attempt(one) for one in chosen if one.exclusive]
    print(f"{sum(passed)} passed, {len(passed) - sum(passed)} failed")
    return 0 if passed and all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
