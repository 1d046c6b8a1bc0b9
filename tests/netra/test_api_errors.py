"""The API's one shape of error: a sentence, a code, a status, and nothing of what lies behind."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.http import Http404
from django.test import Client, RequestFactory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netra import api as netra_api
from netra import errors
from netra.errors import Busy, Conflict, Invalid, NetraError, ProviderFailed
from projects.models import Project, User
from tests import factories
from tests.factories import supply_option

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]
ESTIMATE = "/api/v1/supply/estimate"
REQUEST = RequestFactory().get("/api/v1/x")
KINDS = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, NetraError)]


def told(answer: Any) -> dict[str, Any]:
    """The body of an error, which holds at least a sentence and a code."""
    body: dict[str, Any] = json.loads(answer.content)
    assert isinstance(body["detail"], str) and body["detail"]
    assert isinstance(body["code"], str) and body["code"]
    return body


# Our own refusals.


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_of_refusal_has_its_status_sentence_and_code(kind: type[NetraError]) -> None:
    answer = netra_api.refused(REQUEST, kind("It cannot be."))
    assert answer.status_code == kind.status
    assert told(answer) == {"detail": "It cannot be.", "code": kind.code}


def test_a_refusal_names_its_field_where_there_is_one() -> None:
    assert told(netra_api.refused(REQUEST, Invalid("Too long.", field="name")))["field"] == "name"
    assert "field" not in told(netra_api.refused(REQUEST, Invalid("Too long.")))


def test_a_refusal_may_have_a_code_of_its_own() -> None:
    assert told(netra_api.refused(REQUEST, Conflict("Taken.", code="name_taken")))["code"] == "name_taken"


@pytest.mark.parametrize(("after_s", "header"), [(0.0, "1"), (0.4, "1"), (1.6, "2"), (90.0, "90")])
def test_whoever_comes_too_often_is_told_when_to_come_again(after_s: float, header: str) -> None:
    answer = netra_api.refused(REQUEST, Busy("Come again.", retry_after_s=after_s))
    assert (answer.status_code, answer["Retry-After"]) == (429, header)


def test_what_a_provider_s_failure_cost_stays_inside() -> None:
    problem = ProviderFailed("It answered HTTP 500.", http_status=500, paid=None, retry=True, code="provider_error")
    assert told(netra_api.refused(REQUEST, problem)) == {"detail": "It answered HTTP 500.", "code": "provider_error"}


@pytest.mark.parametrize(("problem", "sentence"), [(Http404("No project."), "No project."), (Http404(), "Not found.")])
def test_what_is_not_found_has_the_same_shape(problem: Http404, sentence: str) -> None:
    assert told(netra_api.missing(REQUEST, problem)) == {"detail": sentence, "code": "not_found"}


# What the framework refuses, over the whole stack.


@pytest.mark.parametrize("body", ["{", "not json", "\x00", b"\xff\xfe", "[" * 5_000])
def test_a_body_that_is_no_json_is_told_with_a_code(as_viewer: Client, body: Any) -> None:
    answer = as_viewer.post(ESTIMATE, body, content_type="application/json")
    assert answer.status_code == 400 and told(answer)["code"] == "invalid"


@pytest.mark.parametrize("body", ["", "[]", "3", "null", '"text"', "{}", '{"option": 3}', '{"option": null}'])
def test_json_of_another_shape_is_told_by_field(as_viewer: Client, body: str) -> None:
    answer = as_viewer.post(ESTIMATE, body, content_type="application/json")
    assert answer.status_code == 422 and told(answer)["code"] == "invalid"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"input_tokens": -1}, "input_tokens"),
        ({"input_tokens": 10**10}, "input_tokens"),
        ({"input_tokens": 1.5}, "input_tokens"),
        ({"n_calls": 0}, "n_calls"),
        ({"at": "soon"}, "at"),
        ({"colour": "red"}, "colour"),
        ({"option": "x" * 201}, "option"),
    ],
)
def test_a_wrong_field_is_named_in_the_sentence_and_beside_it(as_viewer: Client, fields: Any, field: str) -> None:
    body = {"option": "openai/gpt-x", **fields}
    found = told(as_viewer.post(ESTIMATE, json.dumps(body), content_type="application/json"))
    assert found["field"] == field and found["detail"].startswith(f"{field}: ")


def test_a_wrong_query_is_named_without_the_framework_s_words(as_viewer: Client) -> None:
    found = told(as_viewer.get("/api/v1/supply?limit=many"))
    assert found["field"] == "limit" and "query" not in found["field"]


@pytest.mark.parametrize(
    "headers",
    [{}, {"authorization": "Bearer nonsense"}, {"authorization": "Bearer "}, {"authorization": "Basic eDp5"},
     {"authorization": "Bearer netra_" + "x" * 5_000}, {"authorization": "Bearer \xff"}],
)  # fmt: skip
def test_without_a_valid_key_the_answer_says_what_to_send(client: Client, headers: dict[str, str]) -> None:
    answer = client.get("/api/v1/supply", headers=headers)
    assert answer.status_code == 401
    assert told(answer)["code"] == "unauthorized" and "Authorization: Bearer" in told(answer)["detail"]


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer netra_wrong"}])
def test_a_script_without_a_valid_key_hears_of_the_key_and_not_of_forms(db: None, headers: dict[str, str]) -> None:
    script = Client(enforce_csrf_checks=True, headers=headers)
    answer = script.post(ESTIMATE, "{}", content_type="application/json")
    assert answer.status_code == 401 and told(answer)["code"] == "unauthorized"


def test_another_site_is_turned_away_in_the_same_shape(owner: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(owner)
    answer = browser.post(ESTIMATE, "{}", content_type="application/json")
    assert answer.status_code == 403 and told(answer)["code"] == "forbidden"


def test_a_key_needs_no_token_of_a_form(project: Project) -> None:
    supply_option()
    _, key = factories.ApiKey.issue(project, "test", by=None)
    script = Client(enforce_csrf_checks=True, headers={"authorization": f"Bearer {key}"})
    assert script.post(ESTIMATE, {"option": "openai/gpt-x"}, content_type="application/json").status_code == 200


@pytest.mark.parametrize("path", ["/api/v1/projects/agent/providers", "/api/v1/projects/none/providers"])
def test_a_stranger_cannot_tell_what_is_hidden_from_what_is_not_there(
    as_stranger: Client, project: Project, path: str
) -> None:
    answer = as_stranger.get(path)
    slug = path.split("/")[4]
    assert answer.status_code == 404
    assert told(answer)["detail"].replace(slug, "x") == told(as_stranger.get("/api/v1/projects/x/providers"))["detail"]


def test_a_viewer_is_told_that_changing_is_for_owners(as_viewer: Client, project: Project) -> None:
    answer = as_viewer.post("/api/v1/projects/agent/providers", {"name": "x", "provider": "openai"}, "application/json")
    assert answer.status_code == 403 and told(answer)["code"] == "forbidden"


def test_a_wrong_method_says_which_are_right(as_viewer: Client) -> None:
    answer = as_viewer.delete("/api/v1/supply")
    assert answer.status_code == 405 and "GET" in answer["Allow"]


def test_no_sentence_repeats_a_key_that_was_sent(as_owner: Client, project: Project) -> None:
    body = {"name": "x", "provider": "openai", "key": "sk-canary-ä-0123456789"}
    answer = as_owner.post("/api/v1/projects/agent/providers", body, content_type="application/json")
    assert answer.status_code == 400 and "canary" not in answer.content.decode()
    too_long = body | {"key": "sk-canary" * 1_000}
    assert "canary" not in as_owner.post(
        "/api/v1/projects/agent/providers", too_long, content_type="application/json"
    ).content.decode()  # fmt: skip


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
fields = st.sampled_from(["option", "project", "input_tokens", "n_calls", "images", "service", "at"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.dictionaries(fields, json_values))
def test_any_json_gets_an_answer_in_the_one_shape(as_viewer: Client, body: dict[str, Any]) -> None:
    answer = as_viewer.post(ESTIMATE, json.dumps(body), content_type="application/json")
    assert answer.status_code in (200, 400, 404, 422)
    if answer.status_code != 200:
        told(answer)
