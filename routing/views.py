"""Pages of the supply side: find with permission, parse, call, render."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from netra.errors import NetraError
from netra.http import page
from projects import access, audit
from projects.models import Project, User
from routing import catalog, connections, supply, targets
from routing.forms import CatalogForm, ConnectionChangeForm, ConnectionForm, OwnModelForm, PriceForm
from routing.models import Certificate, ProviderConnection, SupplyOption
from routing.supply import Wanted

PAGE = 100


@login_required
@require_GET
def options(request: HttpRequest) -> HttpResponse:
    form = CatalogForm(request.GET)
    told = form.cleaned_data if form.is_valid() else {}
    certified = told.get("certified")
    wanted = Wanted(
        search=told.get("search", ""),
        provider=told.get("provider", ""),
        ability=told.get("ability", ""),
        is_certified=None if not certified else certified == "yes",
    )
    found = supply.options(wanted, None, limit=PAGE + 1, after=request.GET.get("after", ""))
    context = {"form": form, "options": found[:PAGE], "after": found[PAGE - 1].name if len(found) > PAGE else None}
    return page(request, "routing/supply.html", context, partial="options")


@login_required
@require_GET
def option(request: HttpRequest, name: str) -> HttpResponse:
    """One option; with `?project=` as that project sees it, negotiated prices included."""
    slug = request.GET.get("project", "")
    project = access.readable(request, slug) if slug else None
    return _option_page(request, catalog.option(name, project), project)


def _option_page(
    request: HttpRequest, found: SupplyOption, project: Project | None, form: PriceForm | None = None
) -> HttpResponse:
    supply.with_prices([found], project)
    mine = access.visible_projects(request)
    certificates = Certificate.objects.current().filter(project__in=mine, option=found.name)
    context = {
        "option": found,
        "certificates": certificates.select_related("project")[:50],
        "priced_for": project,
        "prices": supply.history(found, project),
        "mine": mine,
        "form": form or (PriceForm(initial={"project": project.slug}) if project else None),
    }
    return page(request, "routing/option.html", context)


@login_required
@require_POST
def negotiate(request: HttpRequest, name: str) -> HttpResponse:
    form = PriceForm(request.POST)
    project = access.owned(request, request.POST.get("project", ""))
    found = catalog.option(name, project)
    if not form.is_valid():
        return _option_page(request, found, project, form)
    prices = {name: value for name, value in form.cleaned_data.items() if name != "project" and value is not None}
    supply.negotiate(project, found, prices, since=None, by=_person(request))
    audit.note(project, "price_negotiated", f"Entered a negotiated price of {found.name}.", request=request)
    messages.success(request, "From now on this price holds for the project; earlier calls keep theirs.")
    return redirect(f"{found.get_absolute_url()}?project={project.slug}")


@login_required
@require_http_methods(["GET", "POST"])
def connections_(request: HttpRequest, slug: str) -> HttpResponse:
    project = access.readable(request, slug)
    form = ConnectionForm(request.POST or None)
    if request.method == "POST":
        access.owned(request, slug)
        if form.is_valid() and _added(request, project, form):
            return redirect("routing:connections", slug)
    return _connections_page(request, project, form=form)


def _connections_page(request: HttpRequest, project: Project, **forms: Any) -> HttpResponse:
    context = {
        "project": project,
        "rows": ProviderConnection.objects.filter(project=project),
        "shared": ProviderConnection.objects.filter(project=None, is_active=True),
        "own": supply.with_prices(list(SupplyOption.objects.filter(project=project)), project),
        "is_owner": access.is_owner(request, project),
        "form": ConnectionForm(),
        "model_form": OwnModelForm(),
        **forms,
    }
    return page(request, "routing/connections.html", context)


def _added(request: HttpRequest, project: Project, form: ConnectionForm) -> bool:
    told = form.cleaned_data
    try:
        row = connections.create(project, name=told["name"], provider=told["provider"], given=form.given())
    except NetraError as problem:
        form.refuse(problem)
        return False
    audit.note(project, "connection_added", f"Added the connection {row.name} to {row.provider}.", request=request)
    messages.success(request, f"The connection {row.name} is kept. Its key is not shown again.")
    return True


@login_required
@require_http_methods(["GET", "POST"])
def connection(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    project = access.owned(request, slug)
    row = connections.find(project, name)
    form = ConnectionChangeForm(request.POST or None, initial=connections.shown(row))
    if request.method == "POST" and form.is_valid():
        try:
            connections.change(row, form.given())
        except NetraError as problem:
            form.refuse(problem)
        else:
            audit.note(project, "connection_changed", f"Changed the connection {name}.", request=request)
            messages.success(request, f"The connection {name} is changed.")
            return redirect("routing:connections", slug)
    return page(request, "routing/connection.html", {"project": project, "row": row, "form": form})


@login_required
@require_POST
def check_connection(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    """Ask the server which models it has; the answer stands on the page it leads back to."""
    found = targets.check(connections.find(access.owned(request, slug), name))
    tell = messages.success if found.is_reachable else messages.error
    tell(request, f"{name}: {found.sentence}")
    return redirect("routing:connections", slug)


@login_required
@require_POST
def remove_connection(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    project = access.owned(request, slug)
    connections.find(project, name).delete()
    audit.note(project, "connection_removed", f"Removed the connection {name}.", request=request)
    return redirect("routing:connections", slug)


@login_required
@require_POST
def add_model(request: HttpRequest, slug: str) -> HttpResponse:
    project = access.owned(request, slug)
    form = OwnModelForm(request.POST)
    if form.is_valid():
        told = dict(form.cleaned_data)
        prices = {name: told.pop(name) for name in ("input", "output")}
        try:
            added = supply.add_own_option(project, told.pop("name"), prices, **told)
        except NetraError as problem:
            form.refuse(problem)
        else:
            audit.note(project, "option_added", f"Added the model {added.name}.", request=request)
            return redirect("routing:connections", slug)
    return _connections_page(request, project, model_form=form)


def _person(request: HttpRequest) -> User | None:
    return request.user if isinstance(request.user, User) else None
