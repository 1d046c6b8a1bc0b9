"""Pages of the supply side."""

from django.urls import URLPattern, URLResolver, path

from routing import control_views, counterfactual_views, live_views, views

app_name = "routing"
urlpatterns: list[URLPattern | URLResolver] = [
    path("supply/", views.options, name="supply"),
    path("supply/price/<path:name>", views.negotiate, name="negotiate"),
    path("supply/option/<path:name>", views.option, name="option"),
    path("projects/<slug:slug>/providers/", views.connections_, name="connections"),
    path("projects/<slug:slug>/providers/models", views.add_model, name="add_model"),
    path("projects/<slug:slug>/providers/<str:name>/", views.connection, name="connection"),
    path("projects/<slug:slug>/providers/<str:name>/check", views.check_connection, name="check_connection"),
    path("projects/<slug:slug>/providers/<str:name>/remove", views.remove_connection, name="remove_connection"),
    path("projects/<slug:slug>/routing/", live_views.live, name="live"),
    path("projects/<slug:slug>/routing/limits", live_views.allow, name="allow"),
    path("projects/<slug:slug>/routing/controls/", control_views.controls_page, name="controls"),
    path("projects/<slug:slug>/routing/controls/clear", control_views.clear, name="clear_cache"),
    path("projects/<slug:slug>/routing/controls/rules", control_views.add_rule, name="add_guardrail"),
    path(
        "projects/<slug:slug>/routing/controls/rules/<int:place>/up", control_views.raise_rule, name="raise_guardrail"
    ),
    path(
        "projects/<slug:slug>/routing/controls/rules/<int:place>/remove",
        control_views.remove_rule,
        name="remove_guardrail",
    ),
    path("projects/<slug:slug>/routing/counterfactual", counterfactual_views.counterfactual, name="counterfactual"),
    path(
        "projects/<slug:slug>/routing/counterfactual/picture",
        counterfactual_views.picture,
        name="counterfactual_picture",
    ),
    path("projects/<slug:slug>/routing/policies/new", live_views.policy_new, name="policy_new"),
    path("projects/<slug:slug>/routing/policies/<slug:name>/", live_views.policy, name="policy"),
    path("projects/<slug:slug>/routing/policies/<slug:name>/retire", live_views.retire, name="retire_policy"),
    path("projects/<slug:slug>/routing/policies/<slug:name>/picture", live_views.picture, name="policy_picture"),
    path("projects/<slug:slug>/routing/decisions/<str:event_id>/", live_views.decision, name="decision"),
]
