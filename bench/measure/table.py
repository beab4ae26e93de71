"""Telling it: a Markdown table with a row for each thing measured, its goals and whether they are met."""

import statistics
from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """`row`'s figure divided by that of `against` is to be at most, or at least, `bound`; without `against` the figure."""

    row: str
    bound: float
    at_most: bool
    against: str = None


def at_most(row, bound, against=None):
    return Goal(row, bound, True, against)


def at_least(row, bound, against=None):
    return Goal(row, bound, False, against)


def show(title, unit, samples, goals, digits=2):
    """`samples`: name to numbers in that unit. The figure is their median."""
    figures = {name: statistics.median(numbers) for name, numbers in samples.items()}
    print(f"| {title} | median {unit} | least | p99 | n | goal | is | met |")
    print("|---|---:|---:|---:|---:|---|---|---|")
    for name, numbers in samples.items():
        told = [tell(goal, figures) for goal in goals if goal.row == name]
        columns = [name, *(f"{number:.{digits}f}" for number in (figures[name], min(numbers), high(numbers))), len(numbers)]
        columns += ["<br>".join(column) for column in zip(*told)] or ["", "", ""]
        print("|", " | ".join(map(str, columns)), "|")
    print(flush=True)


def high(numbers):
    """What 99 of 100 do not exceed; of few, the greatest."""
    return sorted(numbers)[int(0.99 * len(numbers))]


def tell(goal, figures):
    """The goal, what it is, whether it is met: in words."""
    sign = "≤" if goal.at_most else "≥"
    if not goal.against:
        value, wanted, found = figures[goal.row], f"{sign} {goal.bound:g}", f"{figures[goal.row]:.2f}"
    elif goal.against not in figures:
        return f"{sign} {goal.bound:.2f} of {goal.against}", "not measured", ""
    else:
        value = figures[goal.row] / figures[goal.against]
        wanted, found = f"{sign} {goal.bound:.2f} of {goal.against}", f"{value:.2f}"
    met = value <= goal.bound if goal.at_most else value >= goal.bound
    return wanted, found, "yes" if met else "**no**"
