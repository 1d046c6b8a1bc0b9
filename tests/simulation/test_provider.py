"""The simulated provider over a real socket, in OpenAI's wire format."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from netra.simulation import server
from netra.simulation.personas import PERSONAS, as_text
from netra.simulation.tasks import FAMILIES, make


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    running = server.start(time_scale=0)
    yield running.base_url
    running.stop()


def _post(url: str, body: Any, *, key: str | None = "any") -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    request = urllib.request.Request(f"{url}/chat/completions", data, headers)
    return urllib.request.urlopen(request, timeout=10)


def _refused(url: str, body: Any, **options: Any) -> tuple[int, dict[str, Any]]:
    with pytest.raises(urllib.error.HTTPError) as caught:
        _post(url, body, **options)
    return caught.value.code, json.load(caught.value)["error"]


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_served_answers_are_the_persona_s_own(url: str, family: str) -> None:
    task = make(family, 42)
    answer = json.load(_post(url, task.request("sim-small")))
    assert as_text(answer["choices"][0]["message"]) == PERSONAS["sim-small"].answer(task)
    assert answer["usage"]["total_tokens"] == answer["usage"]["prompt_tokens"] + answer["usage"]["completion_tokens"]


def test_answers_are_labelled(url: str) -> None:
    assert _post(url, make("dates", 1).request("sim-large")).headers["x-simulated"] == "true"


def test_a_stream_says_the_same_and_ends_with_usage(url: str) -> None:
    task = make("translation", 4)
    body = {**task.request("sim-large"), "stream": True, "stream_options": {"include_usage": True}}
    lines = [line[6:] for line in _post(url, body).read().decode().split("\n") if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    chunks = [json.loads(line) for line in lines[:-1]]
    said = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks if chunk["choices"])
    assert said == PERSONAS["sim-large"].answer(task)
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["completion_tokens"] > 0


def test_content_parts_are_read(url: str) -> None:
    task = make("arithmetic", 8)
    body = task.request("sim-large")
    body["messages"][-1]["content"] = [{"type": "text", "text": body["messages"][-1]["content"]}]
    answer = json.load(_post(url, body))
    assert answer["choices"][0]["message"]["content"] == PERSONAS["sim-large"].answer(task)


def test_other_prompts_get_an_honest_answer(url: str) -> None:
    body = {"model": "sim-large", "messages": [{"role": "user", "content": "Write a poem"}]}
    assert "only know simulated tasks" in json.load(_post(url, body))["choices"][0]["message"]["content"]


def test_a_key_is_needed(url: str) -> None:
    assert _refused(url, make("dates", 1).request("sim-large"), key=None)[0] == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{", 400), (b"[]", 400), ({"model": "sim-large"}, 400), ({"model": "sim-large", "messages": ["hi"]}, 400)],
)
def test_malformed_requests_are_refused(url: str, body: Any, status: int) -> None:
    assert _refused(url, body)[0] == status


def test_unknown_models_are_named(url: str) -> None:
    status, error = _refused(url, make("dates", 1).request("gpt-99"))
    assert (status, error["code"]) == (404, "model_not_found")
    assert "gpt-99" in error["message"]


def test_a_flaky_model_fails_about_as_often_as_it_says(url: str) -> None:
    failures = 0
    for seed in range(150):
        try:
            _post(url, make("dates", seed).request("sim-flaky")).read()
        except urllib.error.HTTPError as problem:
            failures += problem.code == 500
    assert 3 <= failures <= 32  # 15 expected, four standard deviations either side


def test_models_are_listed(url: str) -> None:
    request = urllib.request.Request(f"{url}/models", headers={"Authorization": "Bearer x"})
    names = [each["id"] for each in json.load(urllib.request.urlopen(request, timeout=10))["data"]]
    assert {"sim-large", "sim-judge"} <= set(names)


def test_stopping_frees_the_port() -> None:
    running = server.start(time_scale=0)
    running.stop()
    with pytest.raises(urllib.error.URLError):
        _post(running.base_url, make("dates", 1).request("sim-large"))
