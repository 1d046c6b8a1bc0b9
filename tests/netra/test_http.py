"""Pages: whole or a fragment, the strict policy on every answer, errors as sentences, and the reader's own time."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import pytest
from django.http import Http404, HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.utils import timezone
from django_htmx.middleware import HtmxDetails
from hypothesis import given
from hypothesis import strategies as st

from netra import http
from netra.errors import Busy, Conflict, Invalid, NetraError, NotFound, Unavailable
from projects.models import Project, User
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]


# The policy.


def directives(policy: str) -> dict[str, list[str]]:
    return {name: sources for name, *sources in (part.split() for part in policy.split(";") if part.strip())}


def test_the_policy_lets_in_nothing_from_elsewhere_and_nothing_inline() -> None:
    told = directives(http.POLICY)
    assert told["default-src"] == told["base-uri"] == told["frame-ancestors"] == ["'none'"]
    sources = {source for listed in told.values() for source in listed}
    assert sources == {"'none'", "'self'", "data:"} and told["img-src"] == ["'self'", "data:"]


@pytest.mark.parametrize(
    "path",
    ["/", "/supply/", "/accounts/login/", "/health", "/api/v1/docs", "/api/v1/supply", "/admin/", "/nothing", "/theme"],
)
def test_every_answer_carries_the_policy_also_refusals(as_owner: Client, project: Project, path: str) -> None:
    assert directives(as_owner.get(path)["Content-Security-Policy"])["script-src"] == ["'self'"]


def test_a_refused_form_carries_the_policy_too(owner: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    answer = browser.post("/theme", {"theme": "dark"})
    assert answer.status_code == 403 and answer["Content-Security-Policy"] == http.POLICY


def passed(view: Any) -> HttpResponse:
    return http.ContentSecurityPolicy(view)(RequestFactory().get("/"))


def test_a_page_with_charts_names_its_nonce_and_no_other_page_does() -> None:
    def charting(request: HttpRequest) -> HttpResponse:
        return HttpResponse(http.style_nonce(request) + http.style_nonce(request))

    first, second = passed(charting), passed(charting)
    nonce = first.content.decode()[: len(first.content) // 2]
    assert directives(first["Content-Security-Policy"])["style-src"] == ["'self'", f"'nonce-{nonce}'"]
    assert first.content != second.content, "a nonce is used once"
    assert passed(lambda _: HttpResponse())["Content-Security-Policy"] == http.POLICY


def test_a_nonce_cannot_end_the_policy() -> None:
    nonce = http.style_nonce(RequestFactory().get("/"))
    assert re.fullmatch(r"[\w-]{20,}", nonce)


def test_a_view_may_set_its_own_policy() -> None:
    own = HttpResponse(headers={"Content-Security-Policy": "default-src 'none'"})
    assert passed(lambda _: own)["Content-Security-Policy"] == "default-src 'none'"


class Blocked(HTMLParser):
    """Collects what the policy would stop: inline script and style, handlers, and anything from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if tag == "script" and "src" not in told and told.get("type") != "application/json":
            self.found.append("inline script")
        if tag == "style":
            self.found.append("inline style")
        self.found += [name for name in told if name == "style" or name.startswith("on")]
        if tag in ("script", "link", "img", "form", "iframe"):
            addresses = [told.get(name) or "" for name in ("src", "href", "action")]
            self.found += [each for each in addresses if each.startswith(("http:", "https:", "//", "javascript:"))]


@pytest.mark.parametrize("path", ["supply/", "supply/option/openai/gpt-x?project=agent", "projects/agent/providers/",
                                  "projects/agent/providers/mine/", "projects/agent/", "account/", "nothing",
                                  "api/v1/docs", "accounts/login/?next=/"])  # fmt: skip
def test_no_page_asks_for_what_the_policy_stops(as_owner: Client, project: Project, path: str) -> None:
    factories.supply_option()
    factories.connection(project, "mine")
    reader = Blocked()
    reader.feed(as_owner.get(f"/{path}").content.decode())
    assert reader.found == []


# Whole pages and fragments.

WHOLE, PART = b"<!doctype html>", b'<div id="options">'


@pytest.mark.parametrize(
    ("headers", "is_whole"),
    [
        ({}, True),
        ({"HX-Request": "true"}, False),
        ({"HX-Request": "true", "HX-Boosted": "true"}, True),
        ({"HX-Request": "true", "HX-History-Restore-Request": "true"}, True),
        ({"HX-Request": "false"}, True),
        ({"X-Requested-With": "XMLHttpRequest"}, True),
    ],
)
def test_a_fragment_goes_only_to_a_script_that_asked_for_one(
    as_owner: Client, headers: dict[str, str], is_whole: bool
) -> None:
    content = as_owner.get("/supply/", headers=headers).content
    assert PART in content
    assert content.strip().startswith(WHOLE) is is_whole


def test_caches_keep_page_and_fragment_apart(as_owner: Client) -> None:
    assert "HX-Request" in as_owner.get("/supply/")["Vary"]
    assert "HX-Request" in as_owner.get("/supply/", headers={"HX-Request": "true"})["Vary"]


def test_a_page_without_a_fragment_is_always_whole(as_owner: Client, project: Project) -> None:
    content = as_owner.get("/projects/agent/providers/", headers={"HX-Request": "true"}).content
    assert content.strip().startswith(WHOLE)


# The theme.


@pytest.mark.parametrize(
    ("back", "lands"),
    [
        ("/supply/", "/supply/"),
        ("/supply/?search=a&after=b", "/supply/?search=a&after=b"),
        ("http://testserver/supply/", "http://testserver/supply/"),
        ("", "/"),
        ("https://evil.example/", "/"),
        ("//evil.example", "/"),
        ("///evil.example", "/"),
        ("https:///evil.example", "/"),
        ("/\\evil.example", "/"),
        ("\\\\evil.example", "/"),
        ("javascript:alert(1)", "/"),
        (" //evil.example", "/"),
        ("\x00//evil.example", "/"),
        ("http://testserver@evil.example/", "/"),
        ("http://testserver.evil.example/", "/"),
        ("account_login", "account_login"),
        ("no-such-view", "no-such-view"),
    ],
)
def test_choosing_a_theme_leads_back_here_and_nowhere_else(client: Client, back: str, lands: str) -> None:
    answer = client.post("/theme", {"theme": "dark", "next": back})
    assert (answer.status_code, answer["Location"]) == (302, lands)


def test_a_new_line_in_the_way_back_is_no_header(client: Client) -> None:
    answer = client.post("/theme", {"theme": "dark", "next": "/a\r\nSet-Cookie: x=1"})
    assert "\n" not in answer["Location"] and set(answer.cookies) == {"theme"}


@pytest.mark.parametrize(("theme", "kept"), [("light", "light"), ("dark", "dark"), ("", ""), ("<script>", "")])
def test_only_a_known_theme_is_kept(client: Client, theme: str, kept: str) -> None:
    client.cookies["theme"] = "dark"
    answer = client.post("/theme", {"theme": theme})
    assert answer.cookies["theme"].value == kept
    assert answer.cookies["theme"]["max-age"] == (365 * 86_400 if kept else 0)


@pytest.mark.parametrize("cookie", ["neon", '"><script>', "DARK"])
def test_an_unknown_theme_in_a_cookie_is_none(client: Client, cookie: str) -> None:
    request = RequestFactory().get("/")
    request.COOKIES["theme"] = cookie
    assert http.surroundings(request)["theme"] == ""


def test_a_link_chooses_no_theme(client: Client) -> None:
    assert client.get("/theme?theme=dark").status_code == 405


def test_another_site_chooses_no_theme(owner: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(owner)
    assert browser.post("/theme", {"theme": "dark"}).status_code == 403


# Errors.


def asked(problem: Exception, **fields: Any) -> HttpResponse | None:
    request = RequestFactory().get("/")
    request.htmx = HtmxDetails(request)  # type: ignore[attr-defined]
    request.user = SimpleNamespace(is_authenticated=False)  # type: ignore[assignment]
    return http.ErrorPages(lambda _: HttpResponse()).process_exception(request, problem)


@pytest.mark.parametrize(
    ("problem", "status", "can_help"),
    [
        (Invalid("The name is too long."), 400, False),
        (Conflict("It is over."), 409, False),
        (Busy("Come again."), 429, True),
        (Unavailable("The store is down."), 503, True),
        (NetraError("Odd."), 500, False),
    ],
)
def test_a_refusal_is_a_page_with_its_sentence(problem: NetraError, status: int, can_help: bool) -> None:
    answer = asked(problem)
    assert answer is not None and answer.status_code == status
    page = answer.content.decode()
    assert str(problem) in page and ("Trying again" in page) is can_help


def test_a_sentence_is_text_and_not_markup() -> None:
    answer = asked(Invalid("<script>alert(1)</script>"))
    assert answer is not None and b"<script>alert" not in answer.content


def test_what_is_not_there_is_the_same_page_as_what_may_not_be_seen(as_stranger: Client, project: Project) -> None:
    there, nowhere = as_stranger.get("/projects/agent/providers/"), as_stranger.get("/projects/nothing/providers/")
    assert (there.status_code, nowhere.status_code) == (404, 404)
    # Apart from the token of the forms, which is new on every page, nothing tells them apart.
    plain = [re.sub(r"agent|nothing", "x", re.sub(r"[A-Za-z0-9]{64}", "", page.content.decode()))
             for page in (there, nowhere)]  # fmt: skip
    assert plain[0] == plain[1]


def test_not_found_is_left_to_the_page_for_it() -> None:
    with pytest.raises(Http404, match="no project"):
        asked(NotFound("There is no project."))


def test_what_is_not_ours_is_left_alone() -> None:
    assert asked(ZeroDivisionError("at line 7")) is None


# The reader's time.


def zone_of(name: Any) -> str:
    return http.ReadersTime(lambda _: HttpResponse(str(timezone.get_current_timezone())))(
        SimpleNamespace(user=SimpleNamespace(time_zone=name))  # type: ignore[arg-type]
    ).content.decode()


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("Asia/Kathmandu", "Asia/Kathmandu"),
        ("", "UTC"),
        (None, "UTC"),
        ("Mars/Olympus", "UTC"),
        ("America", "UTC"),
        ("../../etc/passwd", "UTC"),
        ("/etc/localtime", "UTC"),
        ("a\x00b", "UTC"),
        ("\ud800", "UTC"),
        ("x" * 10_000, "UTC"),
    ],
)
def test_times_are_in_the_reader_s_zone_or_in_utc(name: Any, zone: str) -> None:
    assert zone_of(name) == zone


@given(st.text())
def test_no_name_of_a_zone_breaks_a_page(name: str) -> None:
    assert zone_of(name)


def test_whoever_is_not_logged_in_reads_utc(client: Client) -> None:
    with timezone.override("Asia/Tokyo"):
        assert http.ReadersTime(lambda _: HttpResponse(timezone.get_current_timezone_name()))(
            SimpleNamespace(user=SimpleNamespace())  # type: ignore[arg-type]
        ).content == b"UTC"  # fmt: skip


def test_one_reader_s_zone_is_gone_with_the_answer() -> None:
    before = timezone.get_current_timezone_name()
    zone_of("Asia/Kathmandu")
    assert timezone.get_current_timezone_name() == before
