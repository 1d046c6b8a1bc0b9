"""The scripts of a page with Bokeh charts, and the nonce that lets Bokeh's own styles past the strict policy."""

from __future__ import annotations

from django import template
from django.template import Context
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from netra.http import style_nonce

register = template.Library()


@register.simple_tag(takes_context=True)
def chart_scripts(context: Context) -> SafeString:
    """chart.js before Bokeh, since it marks the style elements that Bokeh makes."""
    return format_html(
        '<script src="{}" nonce="{}" defer></script><script src="{}" defer></script>',
        static("js/chart.js"), style_nonce(context["request"]), static("bokeh/bokeh.min.js"),
    )  # fmt: skip
