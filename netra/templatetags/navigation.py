"""Links that know whether the page they lead to is the one being read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from django import template
from django.template import Context
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()


@register.simple_tag(takes_context=True)
def nav_link(context: Context, name: str, label: str, *args: Any, exact: bool = False) -> SafeString:
    """A link to a named page; marked as current on that page and, unless `exact`, on the pages below it."""
    url = reverse(name, args=args)
    request = context.get("request")
    path = request.path if request is not None else ""
    is_current = path == url if exact else path.startswith(url)
    return format_html(
        '<a href="{}"{}>{}</a>', url, format_html(' aria-current="{}"', "page") if is_current else "", label
    )


@register.simple_tag(takes_context=True)
def query(context: Context, **changes: Any) -> str:
    """The page's query string with some parts changed; a part set to None or "" is left out."""
    request = context.get("request")
    params = request.GET.copy() if request is not None else None
    if params is None:
        return ""
    for name, value in changes.items():
        params.pop(name, None)
        if value not in (None, ""):
            params[name] = str(value)
    return f"?{params.urlencode()}" if params else "?"


@register.simple_tag(takes_context=True)
def query_of(context: Context, name: str, value: str) -> str:
    """The same for a part whose name is itself a variable."""
    return query(context, **{name: value})


@register.filter
def encoded(params: Mapping[str, str]) -> str:
    """Parameters as a query string; half characters out of a log would be none in an address."""
    return urlencode({name: value.encode("utf-8", "replace") for name, value in params.items()})


# What a path can hold: no slash, no dots alone (a browser would go up by them), nothing that a server might rewrite.
_PLAIN_ID = re.compile(r"(?!\.{1,2}$)[\w.:@~+-]{1,200}", re.ASCII)


@register.simple_tag
def id_url(name: str, slug: str, id_: str) -> str:
    """Where something with a foreign id is: the id stands in the path, or where that cannot hold it, behind `?id=`."""
    if _PLAIN_ID.fullmatch(id_):
        return reverse(name, args=[slug, id_])
    return f"{reverse(f'{name}_by_id', args=[slug])}?id={quote(id_.encode('utf-8', 'replace'), safe='')}"
