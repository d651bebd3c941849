"""Each permission that each feature needs, probed without effect."""

import json
from collections.abc import Callable, Iterable
from functools import partial
from itertools import groupby
from typing import Any

from opsportal.tables.doctor.findings import FAIL, NOTE, OK, UNKNOWN, Finding
from opsportal.tables.grants import PLACEHOLDER, Feature, Need, Place
from opsportal.tables.probes import ALLOWED, DENIED, NOT_PROBED, Probe, probe
from opsportal.tables.probes import UNKNOWN as NOT_TOLD

# Why a place is not asked, or "" where it is.
Silent = Callable[[Place], str]
MISSING, NOT_REACHED = "There is no such table.", "The table was not reached."
NO_INDEX = "The table lacks the index, or it can't be used."
UNREADABLE, UNFIT = "The table can't be read in its state.", "The table's key is another's."
# Said once, of the features of which it is all that can be said.
WHOLLY = {
    MISSING: "The tables that they need are missing.",
    NOT_REACHED: "No table was reached.",
    NO_INDEX: "The indexes that they need are missing, or can't be used.",
    UNREADABLE: "The tables that they need can't be read in their state.",
    UNFIT: "The tables that they need have the key of another's.",
}
# Those that a table's own finding says.
OF_TABLES = frozenset(WHOLLY) - {NOT_REACHED}


def wanted(needs: Iterable[Need], silent: Silent) -> dict[Any, Callable[[], Probe]]:
    """The probes that show whether the features work, each once, where something answers."""
    return {
        need.key: partial(probe, need.action, need.location) for need in needs if not silent(need.location)
    }


def findings(needs: Iterable[Need], silent: Silent, probes: dict[Any, Probe], account: str) -> list[Finding]:
    """One finding per feature; of a denied one with the statement that allows just what is missing."""
    said = []
    unasked: dict[str, list[str]] = {why: [] for why in WHOLLY}
    for sid, group in groupby(needs, key=lambda need: need.feature.sid):
        feature_needs = list(group)
        feature = feature_needs[0].feature
        known = [
            probes.get(need.key)
            or Probe(need.action, need.location, NOT_TOLD, silent(need.location) or "No answer in time.")
            for need in feature_needs
        ]
        # What is wrong with the table or its index has a finding of its own.
        known = [probe for probe in known if probe.why not in OF_TABLES] or known
        reasons = {probe.why for probe in known}
        if len(reasons) == 1 and reasons <= set(unasked):
            unasked[reasons.pop()].append(sid)
        else:
            said.append(_finding(feature, known, account or PLACEHOLDER))
    for why, sids in unasked.items():
        if sids:
            said.append(Finding("permissions", UNKNOWN, f"{', '.join(sids)}: not probed", WHOLLY[why]))
    return said


def _finding(feature: Feature, probes: list[Probe], account: str) -> Finding:
    what = f"{feature.sid}: {feature.name}"
    denied = [probe for probe in probes if probe.state == DENIED]
    if denied:
        reasons = dict.fromkeys(probe.why for probe in denied)
        more = f" (and {len(reasons) - 2} more)" if len(reasons) > 2 else ""
        statement, fix = _statement(feature, denied, account)
        return Finding(
            "permissions", NOTE if feature.optional else FAIL, what,
            "\n".join(list(reasons)[:2]) + more, fix, statement,
        )  # fmt: skip
    states = {probe.state for probe in probes}
    if states == {ALLOWED}:
        return Finding("permissions", OK, what)
    reasons_of: dict[str, dict[str, None]] = {}
    for one in probes:
        if one.state in (NOT_TOLD, NOT_PROBED):
            reasons_of.setdefault(one.why, {})[one.action] = None
    why = [f"{', '.join(actions)}: {reason}" for reason, actions in reasons_of.items()]
    return Finding("permissions", UNKNOWN, what, "\n".join(why[:4]))


def _statement(feature: Feature, denied: list[Probe], account: str) -> tuple[str, str]:
    """What to add to the role's policy, and the sentence before it."""
    pasted = [json.loads(probe.statement) for probe in denied if probe.statement]
    if not pasted:
        return "", "Ask the owner of the policy that denies it."
    if any(action.startswith("kms:") for one in pasted for action in one["Action"]):
        return json.dumps(pasted[0], indent=2), "Add this statement to the policy of the console's role."
    statement: dict[str, Any] = {
        "Sid": feature.sid,
        "Effect": "Allow",
        "Action": list(dict.fromkeys(probe.action for probe in denied if probe.statement)),
        "Resource": list(dict.fromkeys(probe.location.arn(account) for probe in denied if probe.statement)),
    }
    return json.dumps(statement, indent=2), "Add this statement to the policy of the console's role."
