"""Getting in: sign up, log in, a forgotten password; every such page in the house's own form."""

from __future__ import annotations

import re

import pytest
from django.core import mail
from django.test import Client

from projects.models import User
from tests import factories

pytestmark = pytest.mark.django_db

DOORS = ["login/", "signup/", "password/reset/", "password/reset/done/", "password/reset/key/1-wrong/", "inactive/"]


@pytest.mark.parametrize("path", DOORS)
def test_every_door_looks_like_the_house(client: Client, path: str) -> None:
    page = client.get(f"/accounts/{path}", follow=True).content.decode()
    assert 'class="brand"' in page
    assert page.count("<h1") == 1
    assert "style=" not in page


@pytest.mark.parametrize("path", ["email/", "password/change/", "logout/", "reauthenticate/"])
def test_so_does_every_room_behind_it(as_owner: Client, path: str) -> None:
    page = as_owner.get(f"/accounts/{path}", follow=True).content.decode()
    assert 'class="brand"' in page
    assert "button" in page


def test_a_person_signs_up_and_is_in(client: Client) -> None:
    password = "a long and odd sentence"
    told = {"email": "New@Example.com", "password1": password, "password2": password}
    assert client.post("/accounts/signup/", told)["Location"] == "/"
    assert User.objects.filter(email__iexact="new@example.com").exists()
    assert client.get("/").status_code == 200


def test_a_weak_password_gets_a_sentence_at_its_field(client: Client) -> None:
    told = {"email": "new@example.com", "password1": "short", "password2": "short"}
    page = client.post("/accounts/signup/", told).content.decode()
    assert "too short" in page
    assert "field-error" in page
    assert not User.objects.exists()


def test_a_wrong_password_does_not_say_whether_the_address_is_known(client: Client, owner: User) -> None:
    pages = [
        client.post("/accounts/login/", {"login": email, "password": "wrong wrong"}).content.decode()
        for email in (owner.email, "nobody@example.com")
    ]
    told = [re.findall(r'role="alert">(.*?)</div>', page, re.S) for page in pages]
    assert told[0] == told[1] != []


def test_a_forgotten_password_is_set_anew_by_a_link(client: Client, owner: User) -> None:
    client.post("/accounts/password/reset/", {"email": owner.email})
    [message] = mail.outbox
    found = re.search(r"http://testserver(/accounts/password/reset/key/\S+)", str(message.body))
    assert found is not None
    form = client.get(found[1], follow=True)
    told = {"password1": "another odd sentence", "password2": "another odd sentence"}
    client.post(form.request["PATH_INFO"], told)
    assert Client().login(email=owner.email, password="another odd sentence")
    assert not Client().login(email=owner.email, password=factories.PASSWORD)


def test_google_is_offered_only_where_it_is_set_up(client: Client) -> None:
    assert "Google" not in client.get("/accounts/login/").content.decode()


def test_logging_out_needs_a_click_of_one_s_own(as_owner: Client) -> None:
    as_owner.get("/accounts/logout/")
    assert as_owner.get("/").status_code == 200
    as_owner.post("/accounts/logout/")
    assert as_owner.get("/").status_code == 302
