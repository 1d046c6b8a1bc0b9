"""Spoilt records and files for every importer: whatever is in a log, a verdict comes of it and never an error.

    python benchmarks/fuzz_importers.py [--seconds 600] [--seed 1] [--logs DIR]

DIR is a folder of real logs in any formats; without it the records of the tests are spoilt. Prints what became of them,
and for each record that raised anything but a verdict how to get it again. Needs the development requirements.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--logs", type=Path)
    asked = parser.parse_args()
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import django

    django.setup()
    from tests.projects import fuzzing

    records = fuzzing.written(asked.logs) if asked.logs else fuzzing.samples()
    n, told, failures = fuzzing.forever(records, asked.seconds, asked.seed)
    print(f"{n:,} spoilt records and files in {asked.seconds:,.0f} s, {len(failures)} failures")
    for what, count in sorted(told.items()):
        print(f"  {what:<50} {count:>10,}")
    print("\n".join(failures))
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
