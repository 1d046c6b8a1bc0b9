"""Pages of the evaluation app."""

from django.urls import URLPattern, URLResolver, path

from evaluation import live_views, views

app_name = "evaluation"
urlpatterns: list[URLPattern | URLResolver] = [
    path("projects/<slug:slug>/evaluations/", views.runs, name="runs"),
    path("projects/<slug:slug>/evaluations/new", views.plan, name="plan"),
    path("projects/<slug:slug>/evaluations/<int:pk>/", views.run, name="run"),
    path("projects/<slug:slug>/evaluations/<int:pk>/calls", views.calls, name="calls"),
    path("projects/<slug:slug>/evaluations/<int:pk>/cancel", views.cancel, name="cancel"),
    path("projects/<slug:slug>/evaluations/<int:pk>/resume", views.resume, name="resume"),
    path("projects/<slug:slug>/recommendations/", views.recommendations, name="recommendations"),
    path("projects/<slug:slug>/recommendations/latest-card", views.latest_card, name="latest_card"),
    path("projects/<slug:slug>/recommendations/<int:pk>/", views.recommendation, name="recommendation"),
    path("projects/<slug:slug>/recommendations/<int:pk>/acknowledge", views.acknowledge, name="acknowledge"),
    path("projects/<slug:slug>/recommendations/<int:pk>/charts/<slug:name>", views.chart, name="chart"),
    path("projects/<slug:slug>/recommendations/<int:pk>/evidence", views.evidence, name="evidence"),
    path("projects/<slug:slug>/routing/quality/", live_views.quality, name="live_quality"),
    path("projects/<slug:slug>/routing/quality/judging", live_views.judge, name="live_judging"),
    path("projects/<slug:slug>/routing/quality/rule", live_views.certify, name="certification"),
]
