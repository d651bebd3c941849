"""What an item's page begins with when something failed: the error, and the buttons that fix it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from opsportal.console import addresses
from opsportal.operations.pages import Button

FIXES = ("retry",)


@dataclass(frozen=True)
class FirstError:
    """`title`: who failed, as somebody wrote it. `failed`: False for the error of a step that does not say that it
    failed. `others`: further errors. `case`: the id of the case of those that failed the same way, "" for none."""

    title: Any
    text: Any
    failed: bool = True
    others: Sequence[Any] = ()
    case: str = ""

    @property
    def case_url(self) -> str:
        return addresses.case(self.case)


def fixes(error: FirstError | None, buttons: Sequence[Button]) -> dict[str, list[Button]]:
    """`fixes` stand at the error, `bar` has the others; all in the bar where there is no error."""
    chosen = [one for one in buttons if error and not one.why_not and one.action.tag.verb in FIXES]
    return {"fixes": chosen, "bar": [one for one in buttons if one not in chosen]}
