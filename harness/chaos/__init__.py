"""The Chaos Toolkit extension: the control that opens and closes a trial, its actions and probes. Thin.

Chaos Toolkit swallows ordinary errors of controls and calls a run completed whose actions failed, so here
every error becomes `InterruptExecution`, is put on the trial's record, and rules out PASS. Only `plain` is
for experiments without a trial.

Not covered: `chaos discover`, which looks for a function in a distribution's one top-level package; ours has three.
"""
