"""Pages of comparisons, scalings, studies, trials and job sizes, each with its verdict as a badge.

Times side by side are drawn only of runs that may be compared; of others the page says why not.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from instrumented_calc.analysis.comparison.comparison import FASTER, NOT_SURE, SAME, SLOWER
from instrumented_calc.analysis.study.decision import INCONCLUSIVE
from instrumented_calc.analysis.trial import gain
from instrumented_calc.reporting.comparison import build_comparison, render_comparison_json
from instrumented_calc.reporting.comparison_figures import figures_of_comparison
from instrumented_calc.reporting.document import Paragraph, Section
from instrumented_calc.reporting.html.result_page import ResultPage
from instrumented_calc.reporting.noise import build_noise, render_noise_json
from instrumented_calc.reporting.scaling import scaling_figure
from instrumented_calc.reporting.sizing import build_size, render_size_json, size_headline
from instrumented_calc.reporting.study.figures import figures_of
from instrumented_calc.reporting.trial import (
    NOTHING,
    build_trial,
    gain_figure,
    headline,
    render_trial_json,
    setting_words,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.comparison.comparison import Comparison
    from instrumented_calc.analysis.comparison.noise import Noise
    from instrumented_calc.analysis.comparison.speed_limits import SpeedLimit
    from instrumented_calc.analysis.scaling import Scaling
    from instrumented_calc.analysis.sizing.job_size import JobSize
    from instrumented_calc.analysis.study.judgement import Study
    from instrumented_calc.analysis.trial.trial_result import TrialResult
    from instrumented_calc.reporting.document import Document

TRIAL_BADGES = {gain.HELPS: ("good", "Helps"), gain.NOT_SURE: ("warn", "Not sure")}
COLOURS = {FASTER: "good", SLOWER: "bad", SAME: "quiet", NOT_SURE: "warn"}


def comparison_page(comparison: Comparison, *changes: Any) -> ResultPage:
    """Return the page of a comparison.

    Args:
        comparison: Result of the comparison.
        changes: Contractions, memory, findings and limits, as for `build_comparison`.
    """
    verdict = comparison.verdict
    return ResultPage(
        build_comparison(comparison, *changes),
        tuple(figures_of_comparison(comparison)),
        render_comparison_json(comparison, *changes),
        badge="bad" if verdict is None else COLOURS[verdict],
        verdict="Not comparable" if verdict is None else verdict.capitalize(),
    )


def noise_page(noise: Noise, limits: Sequence[SpeedLimit]) -> ResultPage:
    """Return the page of the noise floor of replicates.

    Args:
        noise: Scatter of the runs.
        limits: The user's limits.
    """
    return ResultPage(build_noise(noise, limits), (), render_noise_json(noise, limits))


def scaling_page(document: Document, scaling: Scaling, numbers: str) -> ResultPage:
    """Return the page of a scaling study.

    Args:
        document: Its report.
        scaling: The measured scaling.
        numbers: The same as JSON.
    """
    figure = scaling_figure(scaling)
    badge, verdict = _scaling_badge(scaling)
    return ResultPage(document, (figure,) if figure else (), numbers, badge, verdict)


def _scaling_badge(scaling: Scaling) -> tuple[str, str]:
    if scaling.unequal:
        return "bad", "Not comparable"
    if scaling.overhead_bound is None:
        return "quiet", "Not enough evidence"
    return ("warn", "Overhead-bound") if scaling.overhead_bound else ("good", "Not overhead-bound")


def study_page(document: Document, study: Study, numbers: str) -> ResultPage:
    """Return the page of a controlled experiment.

    Args:
        document: Its report.
        study: Its result; inputs on which a verdict is refused are not drawn.
        numbers: The same as JSON.
    """
    refused = {each.file for each in study.decisions if each.refused}
    drawn = replace(study, rows=tuple(each for each in study.rows if each.file not in refused))
    badge = "bad" if refused else "warn" if study.decision == INCONCLUSIVE else "quiet"
    verdict = "Refused" if refused else study.decision.capitalize()
    return ResultPage(document, tuple(figures_of(drawn)), numbers, badge, verdict)


def trial_page(result: TrialResult) -> ResultPage:
    """Return the page of a trial of remedies.

    Args:
        result: Its result.
    """
    document, figure = build_trial(result), gain_figure(result)
    opening = Section("Result", (Paragraph((headline(result), *setting_words(result))),))
    document = replace(document, sections=(opening, *document.sections[1:]))
    verdicts = {each.verdict for each in result.outcomes}
    badge, verdict = next(
        (shown for known, shown in TRIAL_BADGES.items() if known in verdicts), ("quiet", NOTHING)
    )
    return ResultPage(document, (figure,) if figure.points else (), render_trial_json(result), badge, verdict)


def size_page(job: JobSize) -> ResultPage:
    """Return the page of what a job needs.

    Args:
        job: The prediction.
    """
    badge, verdict = ("warn", "Extrapolated") if job.beyond > 1 else ("quiet", "")
    document = build_size(job)
    opening = Section("Result", (Paragraph((size_headline(job),)),))
    document = replace(document, sections=(opening, *document.sections))
    return ResultPage(document, (), render_size_json(job), badge, verdict)
