"""A fault's own arguments are checked with the file, long before a trial would send them."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import settings
from harness.drive.prepare import prepare
from harness.errors import InvalidFileError, UsageError

EXPERIMENTS = Path(__file__).parents[3] / "experiments"


@pytest.fixture
def experiment(tmp_path):
    """Writes the shipped 5xx experiment with another fault in it; (path, line of the arguments)."""
    (tmp_path / "targets").symlink_to(EXPERIMENTS / "targets")

    def write(fault):
        text = (EXPERIMENTS / "canary-5xx.yaml").read_text()
        assert 1 == text.count("{fault: http_5xx, share: 0.3, deadline_s: 60}")
        path = tmp_path / "drill.yaml"
        path.write_text(text.replace("{fault: http_5xx, share: 0.3, deadline_s: 60}", fault))
        line = next(number for number, one in enumerate(path.read_text().splitlines(), 1) if fault in one)
        return path, line

    return write


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("{fault: latency, share: 1, deadline_s: 60}", "delay_ms is missing: latency has no default for it"),
        (
            "{fault: latency, share: 1, deadline_s: 60, delay_ms: 9000, ramp: 3}",
            "'ramp' is no argument of latency; known: delay_ms, ramp_s, seed; did you mean 'ramp_s'?;"
            " delay_ms is 9000, must be a number from 1 to 5000",
        ),
        ("{fault: http_5xx, share: 1, deadline_s: 60, status: 502}", "status is 502, must be 500 or 503"),
        ("{fault: wrong_unit, share: 1, deadline_s: 60, unit: km}", "'unit' is no argument of wrong_unit; known: seed"),
    ],
)
def test_wrong_arguments_are_problems_of_the_file(experiment, fault, says):
    """The experiment is refused with the line of the inject action and everything that is wrong with the fault."""
    path, line = experiment(fault)
    with pytest.raises(InvalidFileError) as caught:
        prepare(settings.load({}, {}), path)
    assert (f"{path}:{line}: method.2.provider.arguments: {says}",) == caught.value.problems


@pytest.mark.parametrize(
    ("required", "forbidden"), [("CanaryErorRatioHigh", ""), ("CanaryErrorRatioHigh", "CanaryDwn")]
)
def test_alert_that_no_rule_has_is_refused(experiment, required, forbidden):
    """Required it could never fire; forbidden it would never have fired, and be green for ever."""
    path, _ = experiment("{fault: http_5xx, share: 0.3, deadline_s: 60}")
    listed = "alerts_required: [CanaryErrorRatioHigh]"
    assert 1 == path.read_text().count(listed)
    said = f"alerts_required: [{required}]\n      alerts_forbidden: [{forbidden}]"
    path.write_text(path.read_text().replace(listed, said))
    key, name = ("forbidden", forbidden) if forbidden else ("required", required)
    with pytest.raises(UsageError, match=rf"expect\.alerts_{key}: no rule is called '{name}'; .*did you mean 'Canary"):
        prepare(settings.load({}, {}), path)
