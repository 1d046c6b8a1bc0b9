"""The commands evaluate, demo and verify_evidence: every option, what they print, a sentence for every mistake."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evaluation import demonstration, recommendations, runs
from evaluation.demonstration import STORIES
from evaluation.evidence import sealed, verify
from evaluation.management.commands import demo as demo_command
from evaluation.management.commands import evaluate as evaluate_command
from evaluation.models import EvaluationRun, Recommendation
from evaluation.tasks import run_evaluation
from projects import log
from projects.models import Import, Project, User
from routing import catalog_sync
from routing.models import SupplyOption
from tests import factories
from tests.evaluation.test_comparisons import NEW, OLD
from tests.evaluation.test_recommendations import gathered

JUDGE, MEDIUM = "simulated/sim-judge", "simulated/sim-medium"
ASKED = ("--candidate", MEDIUM, "--judge", JUDGE, "--budget", "1.5")


def said(name: str, *arguments: str) -> tuple[str, str]:
    """What a command prints to its two outputs."""
    out, err = io.StringIO(), io.StringIO()
    call_command(name, *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def refused(name: str, *arguments: str) -> CommandError:
    with pytest.raises(CommandError) as caught:
        said(name, *arguments)
    return caught.value


def test_an_evaluation_prints_its_verdict_reasons_and_money(simulated: Project) -> None:
    out, _ = said("evaluate", "agent", *ASKED, "--max-pairs", "6")
    made = Recommendation.objects.get()
    first, *reasons, last = out.splitlines()
    assert first == f"{made.verdict}: {made.sentence}"
    assert [line.split(":")[0].strip() for line in reasons] == [each["code"] for each in made.reasons] != []
    assert last.startswith("6 pairs, 0.") and last.endswith(f" USD at most, pack {made.pack_sha256}")


def test_a_reason_is_printed_with_its_remedy(simulated: Project) -> None:
    out, _ = said("evaluate", "agent", *ASKED, "--max-pairs", "6")
    reason = Recommendation.objects.get().reasons[0]
    assert f"  {reason['code']}: {reason['sentence']} {reason['remedy']}" in out


def test_what_is_not_said_is_the_project_s_or_the_usual(simulated: Project, left_off: None) -> None:
    refused("evaluate", "agent", *ASKED)
    run = EvaluationRun.objects.get()
    assert (run.incumbent, run.seed, run.concurrency) == ("simulated/sim-large", 0, 8)
    assert run.judging == {"dimensions": {"quality": [JUDGE]}, "pairwise": None}
    usual = {"alpha": 0.05, "min_saving": 0.1, "margin_quality": 0.02, "margin_safety": 0.02, "max_pairs": 400}
    assert run.thresholds == usual and run.name == "simulated/sim-large against 1"


EVERY_OPTION = (
    "--incumbent", "simulated/sim-fast", "--candidate", "simulated/sim-small", "--judge", "simulated/sim-judge-noisy",
    "--dimension", "correctness", "--dimension", "safety", "--pairwise", JUDGE, "--margin", "0.07", "--alpha", "0.1",
    "--min-saving", "0.3", "--max-pairs", "9", "--concurrency", "3", "--seed", "11", "--name", "by hand",
)  # fmt: skip


def test_every_option_reaches_the_run(simulated: Project, left_off: None) -> None:
    refused("evaluate", "agent", *ASKED, *EVERY_OPTION)
    run = EvaluationRun.objects.get()
    assert (run.incumbent, run.seed, run.concurrency, run.name) == ("simulated/sim-fast", 11, 3, "by hand")
    assert list(run.candidates.values_list("option", flat=True)) == [MEDIUM, "simulated/sim-small"]
    judges = [JUDGE, "simulated/sim-judge-noisy"]
    assert run.judging == {"dimensions": {"correctness": judges, "safety": judges}, "pairwise": JUDGE}
    margins = {"margin_quality": 0.07, "margin_safety": 0.07}
    assert run.thresholds == {"alpha": 0.1, "min_saving": 0.3, "max_pairs": 9, **margins}
    assert run.budget_usd == Decimal("1.5")


@pytest.fixture
def left_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run is written down and cancelled before it begins."""
    monkeypatch.setattr(evaluate_command, "run_evaluation", lambda pk: runs.cancel(EvaluationRun.objects.get(pk=pk)))


def test_a_run_that_was_cancelled_says_so(simulated: Project, left_off: None) -> None:
    assert str(refused("evaluate", "agent", *ASKED)) == "The run ended as cancelled: Cancelled."


def test_a_run_that_failed_says_why(simulated: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def sabotaged(pk: int) -> None:
        SupplyOption.objects.filter(name=MEDIUM).delete()
        run_evaluation(pk)

    monkeypatch.setattr(evaluate_command, "run_evaluation", sabotaged)
    problem = str(refused("evaluate", "agent", *ASKED))
    assert problem.startswith("The run ended as failed: ") and MEDIUM in problem


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (("--candidate", MEDIUM), "A candidate is named twice."),
        (("--candidate", "simulated/sim-large"), "The incumbent cannot be its own candidate."),
        (("--candidate", "simulated/none"), "There is no supply option 'simulated/none' in the catalog."),
        (("--judge", "nobody"), "There is no supply option 'nobody' in the catalog."),
        (("--pairwise", "nobody"), "There is no supply option 'nobody' in the catalog."),
        (("--incumbent", "no/such"), "There is no supply option 'no/such' in the catalog."),
        (("--dimension", "beauty"), "Choose judges for some of correctness, safety, quality, helpfulness."),
        (("--dimension", "safety"), "At least one of correctness, quality and helpfulness must be judged."),
        (("--margin", "1"), "Margins lie between 0 and 1."),
        (("--margin", "nan"), "Margins lie between 0 and 1."),
        (("--margin", "-0.1"), "Margins lie between 0 and 1."),
        (("--alpha", "0"), "alpha lies between 0 and 0.5."),
        (("--alpha", "inf"), "alpha lies between 0 and 0.5."),
        (("--min-saving", "1"), "The minimum saving lies between 0 and 1."),
        (("--budget", "0"), "The budget must be at least 0.000001 USD and less than a million USD."),
        (("--budget", "NaN"), "The budget must be at least 0.000001 USD and less than a million USD."),
        (("--budget", "1e99"), "The budget must be at least 0.000001 USD and less than a million USD."),
        (("--max-pairs", "0"), "At least one pair must be allowed."),
        (("--concurrency", "129"), "Between 1 and 128 calls may be made side by side."),
        (("--seed", "-1"), "The seed must be a whole number from 0 to 2^63 - 1."),
    ],
)
def test_what_cannot_work_ends_with_a_sentence_and_no_run(
    simulated: Project, changed: tuple[str, ...], sentence: str
) -> None:
    assert str(refused("evaluate", "agent", *ASKED, *changed)) == sentence
    assert not EvaluationRun.objects.exists()


@pytest.mark.parametrize("slug", ["nowhere", "", "' OR 1=1 --", "agent/../other", "\U0001f600"])
def test_a_project_that_is_not_there_is_named(simulated: Project, slug: str) -> None:
    assert str(refused("evaluate", slug, *ASKED)) == f"There is no project {slug!r}."


def test_without_an_incumbent_anywhere_it_asks_for_one(simulated: Project) -> None:
    Project.objects.update(incumbent="")
    assert str(refused("evaluate", "agent", *ASKED)) == "Name the option in use today."


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "the following arguments are required: project, --candidate, --judge, --budget"),
        (("agent", "--judge", JUDGE, "--budget", "1"), "required: --candidate"),
        (("agent", "--candidate", MEDIUM, "--budget", "1"), "required: --judge"),
        (("agent", "--candidate", MEDIUM, "--judge", JUDGE), "required: --budget"),
        (("agent", *ASKED, "--budget", "lots"), "argument --budget: invalid money value: 'lots'"),
        (("agent", *ASKED, "--budget", ""), "argument --budget: invalid money value: ''"),
        (("agent", *ASKED, "--max-pairs", "1.5"), "argument --max-pairs: invalid int value: '1.5'"),
        (("agent", *ASKED, "--alpha", "5%"), "argument --alpha: invalid float value: '5%'"),
        (("agent", *ASKED, "--temperature", "0"), "unrecognized arguments: --temperature 0"),
    ],
)
def test_a_command_line_that_cannot_be_read_says_where(arguments: tuple[str, ...], sentence: str) -> None:
    assert sentence in str(refused("evaluate", *arguments))


@pytest.mark.parametrize(("text", "usd"), [("5", "5"), ("0.10", "0.10"), ("1e-3", "0.001"), (" 2 ", "2")])
def test_money_is_read_exactly(text: str, usd: str) -> None:
    assert evaluate_command.money(text) == Decimal(usd)


class Twice:
    """An event that is set after two looks."""

    def __init__(self) -> None:
        self.looks = 0

    def wait(self, _seconds: float) -> bool:
        self.looks += 1
        return self.looks > 2


def test_progress_goes_to_the_other_output(simulated: Project) -> None:
    made = EvaluationRun.objects.create(
        project=simulated, name="r", incumbent="x", n_pairs=7, budget_usd=2, charged_at_most_usd=Decimal("0.1239")
    )
    err = io.StringIO()
    evaluate_command.Command(stderr=err)._tell(made.pk, Twice())  # type: ignore[arg-type]
    assert err.getvalue() == "7 of … pairs, 0.1239 of 2.00 USD at most\n" * 2


@pytest.fixture
def catalog(transactional_db: None, events: None) -> None:
    catalog_sync.apply(catalog_sync.plans()[1])


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Runs handed to the worker."""
    found: list[int] = []
    monkeypatch.setattr(demo_command.run_evaluation, "delay", found.append)
    return found  # type: ignore[return-value]


@pytest.mark.parametrize("only", ["--prepare", "--no-evaluate"])
def test_the_demo_can_be_prepared_without_evaluating(catalog: None, only: str) -> None:
    out, _ = said("demo", only, "--calls", "12")
    assert out.startswith(f"Demo login: {demonstration.OWNER}\nPassword:   ") and len(out.splitlines()) == 2
    assert log.count(Project.objects.get().pk, log.EventFilter()) == 12 and not EvaluationRun.objects.exists()


def test_the_printed_password_lets_one_in(catalog: None, client: Client) -> None:
    password = said("demo", "--prepare", "--calls", "5")[0].split()[-1]
    assert client.login(username=demonstration.OWNER, email=demonstration.OWNER, password=password)


def test_a_password_is_shown_once(catalog: None) -> None:
    said("demo", "--prepare", "--calls", "5")
    out, _ = said("demo", "--prepare", "--calls", "5")
    assert "Password: " not in out and "`manage.py demo --new-password` makes another." in out


def test_a_new_password_replaces_the_old_and_makes_nothing_else(db: None, client: Client) -> None:
    first, second = (said("demo", "--new-password")[0].split()[-1] for _ in range(2))
    login = {"username": demonstration.OWNER, "email": demonstration.OWNER}
    assert not client.login(**login, password=first) and client.login(**login, password=second)
    assert User.objects.count() == 1 and not Project.objects.exists()


def test_a_new_password_leaves_strangers_their_own(stranger: User, client: Client) -> None:
    said("demo", "--new-password")
    assert client.login(username=stranger.email, email=stranger.email, password=factories.PASSWORD)


def test_queued_evaluations_are_handed_over_and_not_waited_for(catalog: None, sent: list[int]) -> None:
    out, _ = said("demo", "--queue", "--calls", "12")
    made = EvaluationRun.objects.order_by("pk")
    assert out == "" and sent == [run.pk for run in made] and len(sent) == len(STORIES)
    assert {run.state for run in made} == {"queued"}


def test_what_is_over_is_not_queued_again(catalog: None, sent: list[int]) -> None:
    said("demo", "--queue", "--calls", "12")
    EvaluationRun.objects.filter(pk=sent[0]).update(state="done")
    said("demo", "--queue", "--calls", "12")
    assert sent[len(STORIES) :] == sent[1 : len(STORIES)] and EvaluationRun.objects.count() == len(STORIES)


def test_evaluating_prints_each_verdict_once(catalog: None) -> None:
    out, _ = said("demo", "--calls", "40")
    for made in Recommendation.objects.select_related("run"):
        assert f"{made.run.name}: evaluating …\n{made.run.name}: {made.sentence}\n" in out
    assert Recommendation.objects.count() == len(STORIES) and "evaluating" not in said("demo")[0]


@pytest.mark.parametrize(("calls", "n"), [("-3", 0), ("0", 0), ("1", 1)])
def test_a_demo_of_hardly_any_calls_is_one(catalog: None, calls: str, n: int) -> None:
    said("demo", "--prepare", "--calls", calls)
    assert log.count(Project.objects.get().pk, log.EventFilter()) == n and Import.objects.count() == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--prepare", "--queue"), "argument --queue: not allowed with argument --prepare"),
        (("--new-password", "--no-evaluate"), "argument --no-evaluate: not allowed with argument --new-password"),
        (("--calls", "many"), "argument --calls: invalid int value: 'many'"),
        (("now",), "unrecognized arguments: now"),
    ],
)
def test_a_demo_asked_for_in_two_ways_says_so(arguments: tuple[str, ...], sentence: str) -> None:
    assert sentence in str(refused("demo", *arguments))


@pytest.fixture
def made(project: Project) -> Recommendation:
    """A recommendation over six pairs, with its pack."""
    return recommendations.generate(gathered(project, 6, {OLD: 90, NEW: 80}))


Save = Callable[[str | bytes], str]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def written(content: str | bytes) -> str:
        path = tmp_path / "pack.json"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return written


def changed(pack: str, change: Callable[[dict[str, Any]], Any], *, reseal: bool = True) -> str:
    content = json.loads(pack)
    change(content)
    kept = {name: value for name, value in content.items() if name != "digest"}
    return sealed(kept) if reseal else json.dumps(content)


def test_a_pack_that_proves_its_verdict_says_so_with_what_was_checked(made: Recommendation, save: Save) -> None:
    out, err = said("verify_evidence", save(made.pack))
    assert "checked score: 12" in out and "checked pairs: 1" in out and err == ""
    assert out.endswith("The verdict NO_RECOMMENDATION follows from the evidence.\n")


@pytest.mark.parametrize("shape", ["{}", "{}\n", "\n {} \r\n"])
def test_white_space_around_a_pack_is_no_difference(made: Recommendation, save: Save, shape: str) -> None:
    assert "follows from the evidence" in said("verify_evidence", save(shape.replace("{}", made.pack)))[0]


@pytest.mark.parametrize("written", [str.lower, str.upper])
def test_a_noted_hash_may_be_typed_in_either_case(
    made: Recommendation, save: Save, written: Callable[[str], str]
) -> None:
    out, _ = said("verify_evidence", save(made.pack), "--sha256", written(made.pack_sha256))
    assert "checked hash of the file: 1" in out


@pytest.mark.parametrize("noted", ["0" * 64, "abc", "\U0001f600"])
def test_another_hash_than_noted_is_a_difference(made: Recommendation, save: Save, noted: str) -> None:
    problem = refused("verify_evidence", save(made.pack), "--sha256", noted)
    assert str(problem) == "1 differences: the pack does not prove its verdict." and problem.returncode == 1


def test_a_forged_pack_that_fits_itself_is_caught_by_the_noted_hash(made: Recommendation, save: Save) -> None:
    forged = changed(made.pack, lambda pack: pack["run"].update(name="forged"))
    assert "follows from" in said("verify_evidence", save(forged))[0]
    assert "1 differences" in str(refused("verify_evidence", save(forged), "--sha256", made.pack_sha256))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "This is not JSON."),
        ("{", "This is not JSON."),
        ("\ufeff{}", "This is not JSON."),
        ("[" * 100_000, "This is not JSON."),
        ("null", "This is not an evidence pack of the format netra-evidence/1."),
        ("[]", "This is not an evidence pack of the format netra-evidence/1."),
        ('{"format": "netra-evidence/2"}', "This is not an evidence pack of the format netra-evidence/1."),
        (b"\xff\xfe", "can't decode byte"),
        (b"\x00\x01", "This is not JSON."),
    ],
)
def test_what_is_no_pack_is_named_and_ends_with_two(save: Save, content: str | bytes, sentence: str) -> None:
    path = save(content)
    problem = refused("verify_evidence", path)
    assert str(problem).startswith(f"{path}: ") and sentence in str(problem) and problem.returncode == 2


@pytest.mark.parametrize("place", ["missing.json", "."])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, place: str) -> None:
    problem = refused("verify_evidence", str(tmp_path / place))
    assert str(tmp_path) in str(problem) and problem.returncode == 2


def test_each_difference_is_told_on_the_other_output(made: Recommendation, save: Save) -> None:
    path = save(changed(made.pack, lambda pack: pack["verdicts"][0].update(score=0.1)))
    err = io.StringIO()
    with pytest.raises(CommandError, match="the pack does not prove its verdict"):
        call_command("verify_evidence", path, stdout=io.StringIO(), stderr=err)
    assert f"score of run-{made.run_id}-0-" in err.getvalue() and "does not say what its own evidence" in err.getvalue()


def test_of_many_differences_fifty_are_told_and_all_are_counted(project: Project, save: Save) -> None:
    """Sixty verdicts that say 0.3 where the judge wrote 90: sixty scores, and the pairs and decision they make."""
    pack = recommendations.generate(gathered(project, 30, {OLD: 90, NEW: 90})).pack
    path = save(changed(pack, lambda content: [each.update(score=0.3) for each in content["verdicts"]]))
    err = io.StringIO()
    with pytest.raises(CommandError, match=r"^6\d differences"):
        call_command("verify_evidence", path, stdout=io.StringIO(), stderr=err)
    assert len(err.getvalue().splitlines()) == 50


def test_a_pack_touched_without_sealing_it_again_fails_at_its_digest(made: Recommendation) -> None:
    report = verify(changed(made.pack, lambda pack: pack["run"].update(name="x"), reseal=False))
    assert any(each.startswith("digest of the content") for each in report.problems)


def test_a_pack_nested_however_deep_is_refused_and_no_crash() -> None:
    """Some depth can just be read and not be written again; it was once a crash."""
    for depth in range(850, 1_001):
        try:
            report = verify('{"format":"netra-evidence/1","x":' + "[" * depth + "]" * depth + "}")
        except Exception as problem:
            assert type(problem).__name__ == "NotAPack", depth
        else:
            assert report.problems


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value inside a pack."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inside:
        yield (*at, key)
        yield from places(each, (*at, key))


ODD = st.sampled_from(
    [None, True, -1, 0, 1.5, 10**400, 1e308, "", "x", "NaN", "1e999999", "\ud800", [], {}, [[]], [None], {"a": []}]
)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_a_pack_with_an_odd_value_anywhere_is_judged_and_no_crash(made: Recommendation, data: st.DataObject) -> None:
    pack = json.loads(made.pack)
    *way, last = data.draw(st.sampled_from(sorted(set(places(pack)) - {("format",)}, key=str)))
    spoilt = inside = deepcopy(pack)
    for key in way:
        inside = inside[key]
    inside[last] = data.draw(ODD)
    report = verify(changed(json.dumps(spoilt), lambda _: None))
    assert report.checked and all(isinstance(each, str) for each in report.problems)
