"""The planner's form: every wrong value gets a sentence at its field, and right ones become exactly what was meant."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.http import QueryDict

from evaluation.forms import CallFilterForm, PlanForm
from evaluation.runs import MAX_CANDIDATES, check
from netra.errors import Conflict, Invalid, NetraError
from projects.models import Project, User
from tests import factories

LARGE, MEDIUM, JUDGE = "simulated/sim-large", "simulated/sim-medium", "simulated/sim-judge"
RIGHT: dict[str, Any] = {
    "name": "a test",
    "incumbent": LARGE,
    "candidates": [MEDIUM],
    "judges": [JUDGE],
    "dimensions": ["correctness", "safety"],
    "budget_usd": "1.50",
    "max_pairs": "40",
    "margin_points": "2.5",
    "min_saving_percent": "10",
    "alpha_percent": "5",
    "latency_slo_ms": "",
    "concurrency": "4",
    "seed": "1",
}


@pytest.fixture
def simulated(owner: User) -> Project:
    for name in (LARGE, MEDIUM, JUDGE):
        factories.supply_option(name, is_simulated=True)
    return factories.project("simulated", owner=owner, incumbent=LARGE, is_simulated=True)


def sent(values: dict[str, Any]) -> QueryDict:
    """The values as a browser sends them; None is a field left out."""
    data = QueryDict(mutable=True)
    for name, value in values.items():
        if value is not None:
            data.setlist(name, value if isinstance(value, list) else [value])
    return data


def form(project: Project, **changed: Any) -> PlanForm:
    return PlanForm(sent(RIGHT | changed), project=project)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "x" * 121),
        ("name", "nul\x00byte"),
        ("incumbent", ""),
        ("incumbent", None),
        ("incumbent", "openai/never-heard-of"),
        ("candidates", []),
        ("candidates", None),
        ("candidates", ["openai/never-heard-of"]),
        ("candidates", [MEDIUM, "<script>"]),
        ("candidates", [""]),
        ("judges", []),
        ("judges", ["nobody"]),
        ("dimensions", []),
        ("dimensions", ["beauty"]),
        ("dimensions", ["quality", "preference"]),
        *(
            ("budget_usd", value)
            for value in ("", None, "lots", "0", "-1", "NaN", "Infinity", "0.0000001", "1e9", "1,5", "10000000.5")
        ),
        *(("max_pairs", value) for value in ("", "0", "-1", "100001", "1.5", "many", "9" * 30)),
        *(("margin_points", value) for value in ("", "-0.1", "50.1", "2.55", "NaN", "2 %")),
        *(("min_saving_percent", value) for value in ("", "-1", "99.1", "100", "NaN", "0.123")),
        *(("alpha_percent", value) for value in ("", "0", "0.05", "50.1", "-5", "NaN", "five")),
        *(("latency_slo_ms", value) for value in ("0", "0.5", "-1", "NaN", "inf", "1e999", "fast")),
        *(("concurrency", value) for value in ("", "0", "129", "-1", "2.5", "1e2")),
        *(("seed", value) for value in ("", "-1", "2147483649", "1.5", "0x10", "9" * 40)),
    ],
)
def test_a_wrong_value_gets_a_sentence_at_its_field_and_nowhere_else(
    simulated: Project, field: str, value: Any
) -> None:
    found = form(simulated, **{field: value}).errors
    assert list(found) == [field]
    assert all(len(sentence) > 5 and sentence.endswith(".") for sentence in found[field])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "x" * 120),
        ("name", "<b>ü</b> 🙂"),
        ("budget_usd", "0.000001"),
        ("budget_usd", "999999.999999"),
        ("max_pairs", "1"),
        ("max_pairs", "100000"),
        ("margin_points", "0"),
        ("margin_points", "50"),
        ("min_saving_percent", "0"),
        ("min_saving_percent", "99"),
        ("alpha_percent", "0.1"),
        ("alpha_percent", "50"),
        ("latency_slo_ms", "1"),
        ("latency_slo_ms", None),
        ("concurrency", "1"),
        ("concurrency", "128"),
        ("seed", "0"),
        ("seed", "2147483648"),
    ],
)
def test_the_edges_are_allowed_and_can_be_carried_out(simulated: Project, field: str, value: Any) -> None:
    asked = form(simulated, **{field: value})
    assert asked.is_valid(), asked.errors
    assert set(check(simulated, asked.wish())) == {LARGE, MEDIUM, JUDGE}


def test_several_wrong_values_are_all_told_at_once(simulated: Project) -> None:
    found = form(simulated, budget_usd="lots", seed="-1", judges=[]).errors
    assert set(found) == {"budget_usd", "seed", "judges"}


def test_nothing_sent_asks_for_everything_that_is_needed(simulated: Project) -> None:
    found = PlanForm(QueryDict("start=1"), project=simulated).errors
    assert set(found) == set(RIGHT) - {"name", "latency_slo_ms"}


def test_points_and_percent_become_fractions(simulated: Project) -> None:
    """2.5 points are 0.025, 10 % are 0.1, 5 % are 0.05; safety has the margin of quality."""
    asked = form(simulated, latency_slo_ms="900")
    assert asked.is_valid()
    assert asked.wish().thresholds == pytest.approx(
        {"alpha": 0.05, "margin_quality": 0.025, "margin_safety": 0.025, "min_saving": 0.1, "latency_slo_ms": 900.0}
    )


def test_money_and_counts_are_kept_exactly(simulated: Project) -> None:
    asked = form(simulated, budget_usd="0.123456", seed="2147483648")
    assert asked.is_valid()
    wish = asked.wish()
    assert (wish.budget_usd, wish.seed, wish.max_pairs, wish.concurrency) == (Decimal("0.123456"), 2**31, 40, 4)


def test_every_judge_judges_every_dimension(simulated: Project) -> None:
    asked = form(simulated, judges=[JUDGE, MEDIUM])
    assert asked.is_valid()
    assert asked.wish().judges == dict.fromkeys(("correctness", "safety"), asked.cleaned_data["judges"])


def test_without_a_latency_limit_latency_decides_nothing(simulated: Project) -> None:
    asked = form(simulated)
    assert asked.is_valid() and asked.wish().thresholds["latency_slo_ms"] is None


def test_only_what_can_be_called_is_offered(simulated: Project, stranger: User) -> None:
    """Without a connection, without a price, gone, or another project's: nothing that would be refused."""
    factories.connection(simulated)
    for name, fields in {"openai/a": {}, "openai/b": {"price": None}, "openai/c": {"is_gone": True}}.items():
        factories.supply_option(name, **fields)
    factories.supply_option("anthropic/d")
    factories.supply_option("openai/e", project=Project.objects.get(slug="elsewhere"))
    offered = dict(PlanForm(project=simulated).fields["candidates"].choices)
    assert set(offered) == {LARGE, MEDIUM, JUDGE, "openai/a"}


def test_where_nothing_can_be_called_the_form_says_so(owner: User) -> None:
    bare = PlanForm(project=factories.project("bare", owner=owner))
    assert not bare.has_options and list(bare.fields["incumbent"].choices) == []


def test_the_projects_incumbent_is_chosen_beforehand(simulated: Project) -> None:
    assert PlanForm(project=simulated).fields["incumbent"].initial == LARGE
    simulated.incumbent = "openai/gone"
    assert PlanForm(project=simulated).fields["incumbent"].initial is None


# --- what only the project can refuse

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"candidates": [LARGE]}, "candidates"),
    ({"candidates": [MEDIUM, LARGE]}, "candidates"),
    ({"candidates": [MEDIUM, MEDIUM]}, "candidates"),
    ({"dimensions": ["safety"]}, "judges"),
]


@pytest.mark.parametrize(("changed", "field"), REFUSED)
def test_what_the_project_refuses_is_told_at_its_field(simulated: Project, changed: dict[str, Any], field: str) -> None:
    asked = form(simulated, **changed)
    assert asked.is_valid()
    with pytest.raises(NetraError) as problem:
        check(simulated, asked.wish())
    asked.refuse(problem.value)
    assert list(asked.errors) == [field]


@pytest.mark.parametrize(
    ("of", "field"),
    [
        ("thresholds", "margin_points"),
        ("judges", "judges"),
        ("candidates", "candidates"),
        ("incumbent", "incumbent"),
        ("budget_usd", "budget_usd"),
        ("seed", "seed"),
        ("concurrency", "concurrency"),
        ("max_pairs", "max_pairs"),
        ("sampling", "__all__"),
        ("", "__all__"),
        (None, "__all__"),
    ],
)
def test_a_refusal_lands_where_it_can_be_mended(simulated: Project, of: str | None, field: str) -> None:
    asked = form(simulated)
    asked.full_clean()
    asked.refuse(Invalid("Not so.", field=of))
    assert asked.errors == {field: ["Not so."]}


def test_a_refusal_without_a_field_stands_above_the_form(simulated: Project) -> None:
    asked = form(simulated)
    asked.full_clean()
    asked.refuse(Conflict("There is no key."))
    assert asked.non_field_errors() == ["There is no key."]


def test_more_candidates_than_allowed_are_refused_with_the_number(simulated: Project) -> None:
    """A form offers what is in the catalog; this project has more than twelve models."""
    factories.connection(simulated)
    names = [f"openai/model-{number}" for number in range(MAX_CANDIDATES + 1)]
    for name in names:
        factories.supply_option(name)
    asked = form(simulated, candidates=names)
    assert asked.is_valid(), asked.errors
    with pytest.raises(Invalid, match=str(MAX_CANDIDATES)):
        check(simulated, asked.wish())


# --- the filter of a run's calls


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", {}),
        ("lane=candidate", {"lane": "candidate"}),
        ("lane=nobody", {}),
        ("state=done&lane=", {"state": "done"}),
        ("state=%00", {}),
        ("option=simulated/sim-large", {"option": "simulated/sim-large"}),
        ("option=" + "x" * 201, {}),
        ("option=%00", {}),
        ("start=0", {"start": 0}),
        ("start=-1", {}),
        ("start=x", {}),
        ("start=" + "9" * 30, {}),
        ("lane=candidate&start=x&surprise=1", {"lane": "candidate"}),
    ],
)
def test_a_filter_that_cannot_be_read_asks_nothing(query: str, wanted: dict[str, Any]) -> None:
    assert CallFilterForm(QueryDict(query)).wanted() == wanted
