"""Forms of the supply side: what they take, what they refuse with a sentence at the field, and what stays unsaid."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netra.errors import Busy, Conflict, Invalid
from routing import policies
from routing.control_forms import CacheForm
from routing.forms import CatalogForm, ConnectionChangeForm, ConnectionForm, OwnModelForm, PriceForm
from routing.live_forms import PolicyForm
from routing.models import ABILITIES, GatewayControls
from tests import factories

CONNECTION = {
    "name": "mine", "provider": "openai_compatible", "base_url": "http://127.0.0.1:9/v1", "key": "sk-canary-0123456789",
    "max_concurrency": "4", "requests_per_minute": "", "deadline_s": "30",
}  # fmt: skip
MODEL = {"name": "mine/phi", "input": "0.5", "output": "1.5"}
PRICE = {"project": "agent", "input": "0.5", "output": "1.5"}

anything = st.one_of(st.text(), st.integers().map(str), st.floats().map(str), st.just("9" * 400))


def errors(form: Any) -> list[str]:
    form.is_valid()
    return sorted(form.errors)


# A connection.


def test_a_whole_connection_is_taken_apart_from_its_name() -> None:
    form = ConnectionForm(CONNECTION)
    assert form.is_valid()
    told = form.given()
    assert "name" not in told and "provider" not in told
    assert (told["max_concurrency"], told["requests_per_minute"], told["deadline_s"]) == (4, None, 30.0)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 61}, "name"),
        ({"provider": ""}, "provider"),
        ({"base_url": "x" * 301}, "base_url"),
        ({"max_concurrency": ""}, "max_concurrency"),
        ({"max_concurrency": "4.5"}, "max_concurrency"),
        ({"requests_per_minute": "often"}, "requests_per_minute"),
        ({"deadline_s": ""}, "deadline_s"),
        ({"deadline_s": "nan"}, "deadline_s"),
        ({"deadline_s": "inf"}, "deadline_s"),
        ({"name": "a\x00b"}, "name"),
        ({"key": "sk\x00"}, "key"),
    ],
)
def test_what_a_connection_cannot_be_is_told_at_its_field(changes: dict[str, str], field: str) -> None:
    assert errors(ConnectionForm(CONNECTION | changes)) == [field]


def test_a_key_is_never_written_back_into_the_page() -> None:
    form = ConnectionForm(CONNECTION | {"deadline_s": "soon"})
    assert not form.is_valid()
    assert "canary" not in form.as_p() and 'type="password"' in form.as_p()


def test_an_empty_key_field_of_a_kept_connection_changes_no_key() -> None:
    form = ConnectionChangeForm(CONNECTION | {"key": "", "is_active": "on"})
    assert form.is_valid() and "key" not in form.given()


def test_a_new_key_of_a_kept_connection_goes_along() -> None:
    form = ConnectionChangeForm(CONNECTION)
    assert form.is_valid() and form.given()["key"] == CONNECTION["key"]


def test_a_kept_connection_keeps_its_name_and_provider_whatever_is_sent() -> None:
    form = ConnectionChangeForm(CONNECTION | {"name": "other", "provider": "openai"})
    assert form.is_valid() and not {"name", "provider"} & set(form.given())


def test_a_box_that_is_not_ticked_switches_the_connection_off() -> None:
    form = ConnectionChangeForm(CONNECTION)
    assert form.is_valid() and form.given()["is_active"] is False


# A model of one's own.


def test_a_model_needs_no_more_than_a_name_and_two_prices() -> None:
    form = OwnModelForm(MODEL)
    assert form.is_valid()
    assert (form.cleaned_data["input"], form.cleaned_data["context_tokens"]) == (Decimal("0.5"), None)


@pytest.mark.parametrize("name", ["context_tokens", "max_output_tokens"])
@pytest.mark.parametrize("value", ["0", "-1", "1.5", "many", "9" * 30, str(2**31), str(2**63)])
def test_a_size_that_no_database_takes_is_told_at_its_field(name: str, value: str) -> None:
    assert errors(OwnModelForm(MODEL | {name: value})) == [name]


@pytest.mark.parametrize("form", [OwnModelForm, PriceForm])
@pytest.mark.parametrize("value", ["", "-0.01", "NaN", "Infinity", "1e3000", "0.0000001", "123456789", "2,50", "$2"])
def test_what_is_no_price_is_told_at_its_field(form: Any, value: str) -> None:
    assert errors(form(MODEL | PRICE | {"output": value})) == ["output"]


def test_a_free_model_costs_zero_which_is_not_unknown() -> None:
    form = PriceForm(PRICE | {"input": "0", "output": "0.000001", "cache_read": ""})
    assert form.is_valid()
    assert form.cleaned_data["input"] == 0 and form.cleaned_data["cache_read"] is None


# The catalog's filter.


@pytest.mark.parametrize("ability", ["", *ABILITIES])
def test_every_ability_can_be_asked_for(ability: str) -> None:
    assert errors(CatalogForm({"ability": ability})) == []


@pytest.mark.parametrize(("field", "value"), [("ability", "flying"), ("certified", "maybe"), ("search", "a\x00b")])
def test_an_unknown_filter_is_told_at_its_field(field: str, value: str) -> None:
    assert errors(CatalogForm({field: value})) == [field]


def test_no_filter_at_all_is_fine() -> None:
    assert errors(CatalogForm({})) == []


# What the stages refuse comes back to the form.


@pytest.mark.parametrize(
    ("problem", "at"),
    [
        (Invalid("No.", field="name"), "name"),
        (Invalid("No.", field="abilities"), "__all__"),
        (Invalid("No."), "__all__"),
        (Conflict("No."), "__all__"),
        (Busy("No."), "__all__"),
    ],
)
def test_a_refusal_stands_at_its_field_or_above_the_form(problem: Any, at: str) -> None:
    form = OwnModelForm(MODEL)
    assert form.is_valid()
    form.refuse(problem)
    assert form.errors == {at: ["No."]}


def test_a_refusal_is_text_and_not_markup() -> None:
    form = OwnModelForm(MODEL)
    assert form.is_valid()
    form.refuse(Invalid("<script>alert(1)</script>", field="name"))
    assert "<script>" not in form.as_p()


@pytest.mark.parametrize("form", [CatalogForm, ConnectionForm, ConnectionChangeForm, OwnModelForm, PriceForm])
@given(data=st.data())
def test_no_text_in_any_field_breaks_a_form(form: Any, data: st.DataObject) -> None:
    filled = form({name: data.draw(anything) for name in form().fields})
    assert filled.is_valid() is not bool(filled.errors)


# Settings in units that people read.


def test_settings_come_back_as_they_were_shown() -> None:
    row = GatewayControls(ttl_s=5_400, check_share=0.07, max_false_share=0.031)
    shown = CacheForm.shown(row)
    assert (shown["ttl_hours"], shown["check_percent"], shown["max_false_percent"]) == (1.5, 7, 3.1)
    form = CacheForm(shown)
    assert form.is_valid()
    told = form.given()
    assert (told["ttl_s"], told["check_share"], told["max_false_share"]) == pytest.approx((5_400, 0.07, 0.031))
    assert all(hasattr(row, name) for name in told)


def test_what_a_stage_refuses_is_told_at_the_field_that_people_see() -> None:
    def refuse(given_: dict[str, Any]) -> None:
        raise Invalid("Too many.", field="check_share")

    form = CacheForm(CacheForm.shown(GatewayControls()))
    assert form.put(refuse) is None and form.errors["check_percent"] == ["Too many."]


def test_a_form_that_is_not_right_reaches_no_stage() -> None:
    reached: list[Any] = []
    assert CacheForm({}).put(reached.append) is None and reached == []


@pytest.mark.django_db
def test_a_policy_s_rule_is_refused_at_its_field(project: Any) -> None:
    form = PolicyForm(project, {})
    form.is_valid()
    form.refuse(Invalid("Too much.", field="margin"))
    assert "Too much." in form.errors["margin_points"]


@pytest.mark.django_db
def test_the_highest_percentile_of_the_form_is_one_that_a_policy_takes(project: Any) -> None:
    factories.connection(project, "lab", provider="openai_compatible", base_url="http://127.0.0.1:9/v1")
    factories.supply_option("lab/a")
    fields = {"name": "auto", "kind": "fixed", "default_option": "lab/a", "margin_points": "2"}
    form = PolicyForm(project, fields | {"exploration_percent": "0", "hedge_percentile": "99.9"})
    row = form.put(lambda given_: policies.write(project, "auto", **given_, by=None))
    assert row and row.rules["hedge_quantile"] == 0.999
