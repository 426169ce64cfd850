"""The section on where in the code the time is spent, and the line on it in the summary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.analysis.timing.driver_names import driver_name
from instrumented_calc.journal.vocabulary import BETWEEN, CALCULATOR, DRIVER, OBSERVERS, RECORDER, UNSEEN
from instrumented_calc.quantities import count, percentage, plural
from instrumented_calc.reporting.document import Paragraph, Section, Table
from instrumented_calc.reporting.run import identity
from instrumented_calc.reporting.run.source_location import location
from instrumented_calc.reporting.run.step_functions import function_blocks, why_none

if TYPE_CHECKING:
    from collections.abc import Iterator

    from instrumented_calc.analysis.places import (
        OwnFunction,
        PartPlaces,
        PlaceDetail,
        SampledPlace,
        ShareEstimate,
    )
    from instrumented_calc.analysis.summary import Summary
    from instrumented_calc.journal.reader import Journal

LEAST_SHARE, LEAST_OWN = 0.01, 0.05
PLACES_SHOWN = 8  # of each part
DETAILS_SHOWN = 3  # of each place
LEAST_DETAIL = 0.2  # of the share of its place
# The summary names a place that takes more than a tenth of the wall time, if the samples are sure of it.
LARGE_SHARE = 0.1
ENOUGH_SAMPLES = 50
REST = "calculator, rest"
SUMMED = "summed small shares"
NAMES = {OBSERVERS: "observers", BETWEEN: "between calls, not seen where", RECORDER: "profiler"}


def places_section(summary: Summary) -> Section | None:
    """Return the functions and lines with the most time, or None without samples and profiled steps."""
    found = summary.places
    functions = function_blocks(summary.step_functions, summary.journal)
    if found is None:
        return Section("Where in the code", functions) if functions else None
    rows = [row for part in found.parts for row in _part_rows(part, summary)]
    headings = ("in", "at", "% of wall", "95 % interval", "samples")
    sampled = f"Estimated from {plural(found.samples, 'sample')} of the stack at random moments"
    remarks = [
        f"{sampled}, with 95 % confidence intervals; exact where the rows have the time.",
        "Library code is shown by function, your code by line.",
        "Functions below 0.3 ms (5 ms on a busy machine) may not be seen, or be charged to what follows.",
    ]
    if found.unseen:
        remarks.append(f"In {plural(found.unseen, 'sample')} the place was too short to be seen.")
    remarks += why_none(summary.step_functions)
    table = Table(headings, tuple(rows))
    own = tuple(_own_row(each, summary) for each in found.own if each.estimate.share >= LEAST_OWN)
    whole = Table(("your functions with all they call", *headings[1:]), own[:PLACES_SHOWN])
    tables = (table, whole) if own else (table,)
    return Section("Where in the code", (*tables, Paragraph(tuple(remarks)), *functions))


def _own_row(own: OwnFunction, summary: Summary) -> tuple[str, ...]:
    at = location(own.file, own.line, summary.journal)
    return _row(identity.one_line(own.function), at, own.estimate)


def _part_rows(part: PartPlaces, summary: Summary) -> Iterator[tuple[str, ...]]:
    yield _row(part_name(part.part, part.component, summary.journal), "", part.estimate)
    large = [place for place in part.places if place.estimate.share >= LEAST_SHARE]
    if len(part.places) == 1 and not part.places[0].function:
        return
    for place in large[:PLACES_SHOWN]:
        yield _row(
            f"- {place_name(place)}", location(place.file, place.line, summary.journal), place.estimate
        )
        if len(place.details) > 1:
            for detail in place.details[:DETAILS_SHOWN]:
                if detail.estimate.share >= LEAST_DETAIL * place.estimate.share:
                    yield _row(f"- - {_detail_name(detail)}", "", detail.estimate)


def _row(name: str, at: str, estimate: ShareEstimate) -> tuple[str, ...]:
    exact = estimate.low == estimate.high
    interval = "exact" if exact else f"{100 * estimate.low:.1f} to {100 * estimate.high:.1f}"
    return name, at, f"{100 * estimate.share:.1f}", interval, count(estimate.samples)


def part_name(part: str, component: str, journal: Journal) -> str:
    """Return the name of a part of the run, as the breakdown has it."""
    if part == CALCULATOR:
        return identity.one_line({"": REST, UNSEEN: "calculator, not seen where"}.get(component, component))
    if part == DRIVER:
        return driver_name(journal.phases.values())
    return NAMES.get(part, "rest of the program")


def place_name(place: SampledPlace) -> str:
    """Return the name of a function, with its library and the user's function that calls it."""
    if not place.function:
        return SUMMED
    name = _with_package(place.function, place.package)
    return identity.one_line(f"{name}, called in {place.caller}" if place.caller else name)


def _detail_name(detail: PlaceDetail) -> str:
    name = f"line {detail.line}" if detail.line else _with_package(detail.function, detail.package)
    return identity.one_line(name)


def _with_package(function: str, package: str) -> str:
    return f"{function} ({package})" if package else function


def largest_place(summary: Summary) -> str:
    """Return one line on the place with the most time, if it takes more than a tenth; else nothing."""
    found = summary.places
    if found is None or found.samples < ENOUGH_SAMPLES:
        return ""
    places = [place for part in found.parts for place in part.places if place.function]
    largest = max(places, key=lambda place: place.estimate.share, default=None)
    if largest is None or largest.estimate.low < LARGE_SHARE:
        return ""
    where = location(largest.file, largest.line, summary.journal)
    at = f" at {where}," if where else ""
    name = identity.one_line(_with_package(largest.function, largest.package))
    return f"about {percentage(largest.estimate.share)}{at} in {name}"
