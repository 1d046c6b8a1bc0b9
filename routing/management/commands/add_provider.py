from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.http import Http404

from netra import llm
from netra.errors import NetraError
from projects.access import by_slug
from projects.models import Project
from routing import connections, supply
from routing.models import OptionPrice, ProviderConnection, SupplyOption
from routing.targets import destination

GIVEN = ("base_url", "key_env", "max_concurrency", "requests_per_minute", "deadline_s")


class Command(BaseCommand):
    help = (
        "Connect a provider. The key comes from an environment variable that is named (--key-env) or from standard "
        "input (--key-stdin), never from the command line. With --models, the server's models become options."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="what the connection is called; its own models are NAME/model")
        parser.add_argument("--provider", default=llm.OPENAI_COMPATIBLE, help="a provider of the catalog")
        parser.add_argument("--base-url", default="")
        parser.add_argument("--project", help="only for this project (default: for all)")
        parser.add_argument("--key-env", default="")
        parser.add_argument("--key-stdin", action="store_true")
        parser.add_argument("--max-concurrency", type=int, default=8)
        parser.add_argument("--requests-per-minute", type=int)
        parser.add_argument("--deadline-s", type=float, default=60.0)
        parser.add_argument("--drop-unsupported", action="store_true", help="leave out parameters it does not know")
        parser.add_argument("--models", help="comma-separated, or `all` to ask the server")
        parser.add_argument("--price", help="USD per million tokens, INPUT,OUTPUT[,CACHED], for every model added")
        parser.add_argument("--like", help="PROVIDER whose catalog prices hold for models of the same name")
        parser.add_argument("--max-output-tokens", type=int)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            project = by_slug(options["project"]) if options["project"] else None
            row = self._connect(project, options)
            self.stdout.write(self.style.SUCCESS(f"{row.name} leads to {row.base_url or row.provider}."))
            if options["models"]:
                self._add_models(row, options)
        except (NetraError, Http404) as problem:
            raise CommandError(str(problem)) from None

    def _connect(self, project: Project | None, options: dict[str, Any]) -> ProviderConnection:
        if options["key_env"] and not os.environ.get(options["key_env"]):
            raise CommandError(f"The environment variable {options['key_env']} is not set.")
        given: dict[str, Any] = {
            name: options[name]
            for name in ("base_url", "key_env", "max_concurrency", "requests_per_minute", "deadline_s")
        }
        if options["key_stdin"]:
            given["key"] = sys.stdin.readline().strip()
        if options["drop_unsupported"]:
            given["unsupported_parameters"] = ProviderConnection.UnsupportedParameters.DROP
        held = ProviderConnection.objects.filter(project=project, name=options["name"]).first()
        if held is None:
            return connections.create(project, name=options["name"], provider=options["provider"], given=given)
        if held.provider != options["provider"]:
            raise CommandError(f"{held.name} leads to {held.provider} already; choose another name.")
        # Whoever sits at the command line owns the machine, so the kept key may go along to a new address.
        given.setdefault("key", None)
        return connections.change(held, given)

    def _add_models(self, row: ProviderConnection, options: dict[str, Any]) -> None:
        wanted = options["models"].split(",")
        models = asyncio.run(llm.model_names(destination(row))) if wanted == ["all"] else wanted
        added = 0
        for model in filter(None, map(str.strip, models)):
            name = f"{row.name}/{model}"
            if SupplyOption.objects.filter(project=row.project, name=name).exists():
                continue
            self._add_model(row, name, model, options)
            added += 1
        self.stdout.write(f"{added} of {len(models)} models added as options {row.name}/….")

    def _add_model(self, row: ProviderConnection, name: str, model: str, options: dict[str, Any]) -> None:
        option = supply.add_own_option(row.project, name, None, max_output_tokens=options["max_output_tokens"])
        rates, source = self._rates(model, options)
        if rates:
            supply.add_list_price(option, rates, source=source, since=None)
        else:
            self.stdout.write(self.style.WARNING(f"{name} has no known price and cannot be called until it has."))

    @staticmethod
    def _rates(model: str, options: dict[str, Any]) -> tuple[dict[str, Any], str]:
        if options["price"]:
            parts = options["price"].split(",")
            if len(parts) not in (2, 3):
                raise CommandError("--price is INPUT,OUTPUT or INPUT,OUTPUT,CACHED in USD per million tokens.")
            prices = dict(zip(("input", "output", "cache_read"), parts, strict=False))
            return supply.rates_of_millions(prices), "entered at the command line"
        if options["like"]:
            twin = SupplyOption.objects.named(f"{options['like']}/{model}")
            price = twin and OptionPrice.objects.filter(option=twin, project=None).order_by("effective_from").last()
            if price:
                return price.rates, f"as {price.option.name}"
        return {}, ""
