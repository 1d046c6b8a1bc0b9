from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from routing import catalog_sync
from routing.catalog_sync import Change, SyncPlan
from routing.models import SupplyOption


class Command(BaseCommand):
    help = "Show what the shipped price file would change in the supply catalog; change it with --yes."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--yes", action="store_true", help="do it; without this, only show it")
        parser.add_argument("--first-time", action="store_true", help="do it if the catalog is empty, else do nothing")
        parser.add_argument("--show", type=int, default=20, help="changes shown of each kind (default 20)")
        parser.add_argument("--json", action="store_true", help="print the counts as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["first_time"] and SupplyOption.objects.filter(project=None).exists():
            return
        plans = catalog_sync.plans()
        is_doing = options["yes"] or options["first_time"]
        for plan in plans:
            if is_doing:
                catalog_sync.apply(plan)
            if options["verbosity"] and not options["json"]:
                self._tell(plan, options["show"])
        if options["json"]:
            self.stdout.write(json.dumps({plan.source: _counts(plan) for plan in plans}))
        elif options["verbosity"]:
            self.stdout.write("Done." if is_doing else "Nothing was changed; run again with --yes to change it.")

    def _tell(self, plan: SyncPlan, limit: int) -> None:
        told = ", ".join(f"{count} {kind}" for kind, count in _counts(plan).items())
        self.stdout.write(self.style.MIGRATE_HEADING(f"{plan.source}: {told}"))
        for kind, changes in plan.kinds():
            for change in changes[:limit]:
                self.stdout.write(f"  {kind}: {_sentence(change)}")
            if len(changes) > limit:
                self.stdout.write(f"  {kind}: … and {len(changes) - limit} more")


def _counts(plan: SyncPlan) -> dict[str, int]:
    return {**{kind: len(changes) for kind, changes in plan.kinds()}, "unchanged": plan.n_unchanged}


def _sentence(change: Change) -> str:
    if not change.field:
        return change.option
    if change.field == "price":
        return f"{change.option}: {_price(change.before)} → {_price(change.after)}"
    return f"{change.option}: {change.field} {_value(change.before)} → {_value(change.after)}"


def _price(rates: Any) -> str:
    return "unknown" if not rates else json.dumps(rates, sort_keys=True)


def _value(value: Any) -> str:
    return "unknown" if value is None else str(value)
