"""A fire drill for canary releases.

Data flows one way: plan -> drive -> evidence -> judge -> report. Effects live in `drive` and `cli`;
everything after `evidence` is a pure function of a directory on disk, so a trial can be judged and
drawn again, offline. `docs/design.md` has the whole house.
"""

__version__ = "0.1.0"
