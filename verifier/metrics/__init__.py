"""Faithfulness metrics as plain functions: a score, an input and a map go in, a figure with its protocol comes out.

Removal and `fills` say what a system scores with elements gone: pixels, input elements, evidence units of any sense. On
them rest `curves` (deletion, insertion, symmetric relevance gain), `correlation`, `infidelity` and `eraser`; `road`
imputes pixels, `sensitivity` explains neighbours. `localisation`, `complexity`, `completeness` and `bootstrap` need no
system, `randomisation` gives it other weights. `suite` has all that need no ground truth by name, for one attribution
of one decision.
"""
