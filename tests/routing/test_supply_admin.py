"""The catalog in the admin: certified with history, prices added and never edited, keys never shown."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from routing.models import OptionPrice, ProviderConnection, SupplyOption
from routing.targets import destination
from tests import factories
from tests.factories import NOON, connection, supply_option
from tests.routing.scripted import CANARY


@pytest.fixture
def staff(db: None) -> Client:
    person = factories.user("staff@example.com", is_staff=True, is_superuser=True)
    return factories.client(person)


def url(page: str, *args: Any) -> str:
    return reverse(f"admin:routing_{page}", args=args)


def test_members_have_no_admin(as_owner: Client) -> None:
    assert as_owner.get(url("supplyoption_changelist")).status_code == 302


@pytest.mark.parametrize("page", ["supplyoption_changelist", "optionprice_changelist", "providerconnection_changelist"])
def test_lists_open(staff: Client, page: str) -> None:
    supply_option()
    connection(None)
    assert staff.get(url(page)).status_code == 200


def test_certifying_stands_in_the_history(staff: Client) -> None:
    option = supply_option()
    chosen = {"action": "certify", "_selected_action": [option.pk]}
    assert staff.post(url("supplyoption_changelist"), chosen).status_code == 302
    option.refresh_from_db()
    assert option.is_certified
    newest = option.history.first()
    assert newest.is_certified and newest.history_user.email == "staff@example.com"
    assert staff.get(url("supplyoption_history", option.pk)).status_code == 200
    staff.post(url("supplyoption_changelist"), {**chosen, "action": "withdraw"})
    assert not SupplyOption.objects.get().is_certified


def price_form(option: SupplyOption, **fields: Any) -> dict[str, Any]:
    date = {"effective_from_0": NOON.date().isoformat(), "effective_from_1": "12:00:00"}
    rates = '{"input": "0.000001", "output": "4e-6"}'
    return {"option": option.pk, "rates": rates, "source": "contract", "note": "", **date, **fields}


def test_a_price_is_added_under_ones_name(staff: Client) -> None:
    option = supply_option()
    assert staff.post(url("optionprice_add"), price_form(option)).status_code == 302
    made = OptionPrice.objects.get(source="contract")
    assert made.rates == {"input": "0.000001", "output": "0.000004"}
    assert made.created_by is not None and made.created_by.email == "staff@example.com"


@pytest.mark.parametrize("rates", ['{"input": "2.5"}', '{"input": "-1"}', "[1]", '{"fee": "1"}', "{"])
def test_what_is_no_price_gets_a_sentence(staff: Client, rates: str) -> None:
    answer = staff.post(url("optionprice_add"), price_form(supply_option(), rates=rates))
    assert answer.status_code == 200 and answer.context["errors"]
    assert OptionPrice.objects.count() == 1


def test_a_price_can_neither_be_edited_nor_deleted(staff: Client) -> None:
    option = supply_option()
    price = option.prices.get()
    assert staff.post(url("optionprice_change", price.pk), price_form(option)).status_code == 403
    assert staff.post(url("optionprice_delete", price.pk), {"post": "yes"}).status_code == 403
    price.refresh_from_db()
    assert price.rates["input"] == "0.000002"


def connection_form(**fields: Any) -> dict[str, Any]:
    return {
        "name": "mine", "provider": "openai_compatible", "base_url": "http://127.0.0.1:9/v1", "key_env": "",
        "max_concurrency": 4, "deadline_s": 30, "unsupported_parameters": "send", "is_active": "on", "new_key": CANARY,
        **fields,
    }  # fmt: skip


def test_a_key_is_entered_and_not_shown(staff: Client) -> None:
    assert staff.post(url("providerconnection_add"), connection_form()).status_code == 302
    row = ProviderConnection.objects.get()
    assert destination(row).key == CANARY
    for page in (url("providerconnection_change", row.pk), url("providerconnection_changelist")):
        assert CANARY.encode() not in staff.get(page).content


def test_an_empty_key_field_keeps_the_key(staff: Client) -> None:
    row = connection(None, "mine", provider="openai_compatible", base_url="http://127.0.0.1:9/v1", key=CANARY)
    answer = staff.post(url("providerconnection_change", row.pk), connection_form(new_key="", max_concurrency=9))
    assert answer.status_code == 302
    row.refresh_from_db()
    assert (destination(row).key, row.max_concurrency) == (CANARY, 9)


@pytest.mark.parametrize(("field", "value"), [("base_url", "ftp://x"), ("new_key", "ä"), ("deadline_s", "soon")])
def test_a_wrong_value_is_told_at_its_field(staff: Client, field: str, value: str) -> None:
    answer = staff.post(url("providerconnection_add"), connection_form(**{field: value}))
    assert answer.status_code == 200 and field in answer.context["adminform"].form.errors
