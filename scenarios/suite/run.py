"""Running a scenario: its variants decided, its expectations checked, its result written down. Never a traceback.

What the system does wrong is a failed check, an exception of its own among it. What the scenario itself does wrong (a
file that is not there, a scene that cannot be composed) is an ``error``: then nothing is known of the system.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...agent.logged import head_salt
from ...agent.record.context import Context
from ...agent.systems import load_system
from ...errors import VeridicalError
from ...modalities.contract import System
from .expect import check, unasked
from .expect_trial import Trial, system_fails
from .load import LoadedScenario
from .result import About, Checked, Exhibits, Result, Seen, reproduced_by, status_of
from .suite_report_drive import Strip

if TYPE_CHECKING:
    from ...agent.log.log import Log

__all__ = ["reproduced_by", "run_scenario"]

Progress = Callable[[str, float], None]


def run_scenario(
    loaded: LoadedScenario,
    system: System | None = None,
    *,
    report: Path | None = None,
    log: Log | None = None,
    progress: Progress | None = None,
) -> Result:
    """Run one scenario.

    Controls of its explanations are drawn from the digest of its file, so that a run can be repeated; with a log, from
    the log's head, so that nobody could have known them.

    Args:
        loaded: the scenario.
        system: what is tried; by default the one that the scenario names, as it is installed.
        report: HTML file to write, or a folder in which it is named after the scenario; None writes none.
        log: to write into: a note of the outcome, and every explanation as a decision with the label ``scenario``.
        progress: called with a stage and the share of it that is done.

    Returns:
        The result; whatever goes wrong is in it, and nothing is raised.
    """
    started, tell = time.perf_counter(), progress or (lambda stage, share: None)
    about = _about(loaded, system)
    try:
        result = _ran(loaded, about, system, log, tell)
    except VeridicalError as error:
        result = _error(about, "run", "the scenario can be run", str(error))
    result = replace(result, seconds=time.perf_counter() - started)
    if log is not None:
        result = _noted(result, loaded, log)
    return result if report is None else _reported(result, loaded, report)


def _ran(loaded: LoadedScenario, about: About, system: System | None, log: Log | None, tell: Progress) -> Result:
    from .vary import variants

    scenario = loaded.scenario
    tell("load", 0.0)
    tried = system if system is not None else load_system(scenario.system)
    with system_fails("making the variants"):  # a patch may be optimised against it
        made = variants(loaded, tried)
    trial = Trial(tried, made, salt=loaded.digest if log is None else head_salt(log))
    policy = None
    if scenario.expect.oversight is not None:
        policy = loaded.file(scenario.expect.oversight.policy, "expect.oversight.policy")
    checked = check(trial, scenario.expect, policy, tell)
    frames: tuple[np.ndarray, ...] = ()
    if scenario.storyboard is not None:
        from .storyboard import drive_storyboard

        tell("drive", 0.9)
        driven = drive_storyboard(loaded, tried)
        checked, frames = [*checked, *driven.checked], driven.frames
    seen = tuple(_seen(trial, variant) for variant in trial.variants)
    result = Result(
        scenario=about,
        status=status_of(checked, about.known_failure),
        checked=tuple(checked),
        variants=seen,
        seconds=0.0,
        notes=(*unasked(trial, scenario.expect), *_repeated(trial)),
        **_account(trial, frames),
    )
    return result if log is None else _logged(result, loaded, trial, log)


def _about(loaded: LoadedScenario, system: System | None) -> About:
    told = loaded.scenario
    return About(
        title=told.scenario,
        why=told.why,
        family=told.family,
        tags=tuple(told.tags),
        system=told.system if system is None else str(getattr(system, "name", type(system).__name__)),
        known_failure=None if told.known_failure is None else told.known_failure.reason,
        file=str(loaded.path),
        digest=loaded.digest,
    )


def _error(about: About, expectation: str, expected: str, happened: str) -> Result:
    checked = Checked(expectation, False, expected, happened, {}, "run")
    return Result(about, "error", (checked,), (), 0.0)


def _seen(trial: Trial, variant: Any) -> Seen:
    """What was decided in a variant; decided now where no expectation asked for it, so that the table is whole."""
    values, perturbed = dict(variant.values), tuple(map(_perturbed, variant.perturbations))
    try:
        decided = trial.decided(variant)
    except VeridicalError as error:
        return Seen(variant.name, values, perturbed, None, {}, None, None, str(error))
    return Seen(
        variant.name, values, perturbed, decided.action, dict(decided.probabilities), decided.score, decided.margin
    )


def _perturbed(each: Any) -> str:
    return f"{each.name} of {', '.join(each.senses)}, strength {each.strength[0]:g}"


def _account(trial: Trial, frames: tuple[np.ndarray, ...] = ()) -> dict[str, Any]:
    """What is told of the scene as written: its explanation, where one was asked for, its parts, its pictures.

    Of a scenario about variants alone, the first that was looked into stands for it.
    """
    told: dict[str, Any] = {}
    explained = next((v for v in trial.variants if v.name in trial.explanations), None)
    if explained is not None:
        explanation = trial.explanations[explained.name]
        verdict = explanation.result["verdict"]
        told["justification"] = explanation.justification
        told["claims"] = tuple(map(_claim, explanation.claims))
        told["verdict"] = {key: verdict.get(key) for key in ("verdict", "cause", "reasons", "p", "agreement")}
    measured = next((v for v in trial.variants if trial.asked(v) is not None), None)
    if measured is not None and (found := trial.asked(measured)) is not None:
        told["reliance"] = {**found.to_dict(), "variant": measured.name}
    shown = _exhibits(explained or measured or trial.variants[0])
    told["exhibits"] = Strip(**vars(shown), strip=frames) if frames else shown
    return told


def _claim(claim: Mapping[str, Any]) -> dict[str, Any]:
    """A claim, without what only the explanation's own arrays make sense of."""
    effects = [{key: each.get(key) for key in ("operator", "effect", "action")} for each in claim["effects"]]
    kept = {key: claim.get(key) for key in ("id", "name", "modality", "where", "predicted", "measured", "status")}
    return {**kept, "effects": effects}


def _exhibits(variant: Any) -> Exhibits:
    """Frames, sound and text of a variant, and where its parts lie in them."""
    given = variant.observation
    parts = {} if variant.composed is None else dict(variant.composed.parts)
    sound, text = given.get("audio"), given.get("text")
    frames = given.get("vision")
    return Exhibits(
        frames=tuple(np.asarray(f) for f in frames) if _are_frames(frames) else (),
        masks={n: p.mask for n, p in parts.items() if p.sense == "vision" and p.mask is not None},
        sound=(np.asarray(sound[0]), int(sound[1])) if isinstance(sound, tuple) and len(sound) == 2 else None,
        spans={n: p.time for n, p in parts.items() if p.sense == "audio" and p.time is not None},
        text=text if isinstance(text, str) else None,
        clauses={n: p.span for n, p in parts.items() if p.sense == "text" and p.span is not None},
        labels={n: p.what for n, p in parts.items() if p.sense != "text" and p.what != n},
    )


def _are_frames(signal: Any) -> bool:
    """Whether a signal is pixels, and no path: a report shows what was given, not what lies somewhere."""
    if isinstance(signal, np.ndarray):
        return signal.ndim == 4 and signal.dtype == np.uint8
    return isinstance(signal, Sequence) and all(
        isinstance(f, np.ndarray) and f.dtype == np.uint8 and f.ndim == 3 for f in signal
    )


def _repeated(trial: Trial) -> list[str]:
    found = next((trial.asked(v) for v in trial.variants if trial.asked(v) is not None), None)
    return list(found.notes) if found is not None else []


def _logged(result: Result, loaded: LoadedScenario, trial: Trial, log: Log) -> Result:
    """Write every explanation into a log, as a decision that bears the scenario's name."""
    for name, explanation in trial.explanations.items():
        labels = {"scenario": loaded.name, "family": result.scenario.family, "variant": name}
        try:
            explanation.log(log, Context(trigger="scenario", labels=labels))
        except VeridicalError as error:
            return _unlogged(result, error)
    return result


def _noted(result: Result, loaded: LoadedScenario, log: Log) -> Result:
    """Note the outcome in a log: the file's digest, the status, and what was expected and happened."""
    from ...agent.log.statement import new_statement

    told = result.to_dict()
    detail = {key: told[key] for key in ("scenario", "status", "checked", "seconds")}
    said = {"agent": result.scenario.system, "event": "scenario", "detail": detail}
    try:
        log.append(new_statement("note", said, [(loaded.path.name, loaded.digest)]))
    except VeridicalError as error:
        return _unlogged(result, error)
    return result


def _unlogged(result: Result, error: VeridicalError) -> Result:
    """A run whose log was asked for and could not be kept is no run."""
    if result.checked and result.checked[-1].expectation == "log":
        return result
    checked = Checked("log", False, "the outcome is written into the log", str(error), {}, "run")
    return replace(result, status="error", checked=(*result.checked, checked))


def _reported(result: Result, loaded: LoadedScenario, report: Path) -> Result:
    """Write the report; where it cannot be written, a note says so, for what was found out stands all the same."""
    from .suite_report import write_scenario_report

    path = report if report.suffix == ".html" else report / f"{loaded.name}.html"
    try:
        write_scenario_report(path, result)
    except VeridicalError as error:
        return replace(result, notes=(*result.notes, f"no report was written: {error}"))
    return replace(result, report=str(path))
