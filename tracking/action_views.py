"""The actions on workflows, declared: pages, buttons and operations of the API are made of `ACTIONS`."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django import forms

from opsportal.console.converters import quote_key, unquote_key
from opsportal.console.text import excerpt
from opsportal.operations.changes import Raw
from opsportal.operations.forms import ActionForm, ReasonedForm
from opsportal.operations.item_actions import ItemAction
from opsportal.operations.pages import ItemActions
from opsportal.operations.tags import Action
from tracking import actions
from tracking.models import Workflow
from tracking.statuses import VOCABULARY, unknown_status
from tracking.steps import Step

WHOLE = "whole"
# An attribute may have any name; a choice of the form has it behind this, in characters that a form carries.
STEP = "step:"


class RetryForm(ActionForm):
    """From where: every recorded step of the item, the first failed one chosen.

    A choice that was made on an older state is refused, never reinterpreted.
    """

    start = forms.ChoiceField(
        label="Steps to run again",
        widget=forms.Select(attrs={"class": "form-select"}),
        help_text="Orchestrators get the step as fromStep and may ignore it: one that does not know it runs the whole "
        "workflow.",
        error_messages={"invalid_choice": "This step is not recorded. Choose one from the list."},
    )
    field_order = ("start", "reason")

    def __init__(self, *args: Any, raw: Raw | None = None, **kwargs: Any) -> None:
        super().__init__(*args, raw=raw, **kwargs)
        field = self.fields["start"]
        assert isinstance(field, forms.ChoiceField)
        workflow = Workflow.from_item(raw or {})
        steps = [(_value(step), _label(step)) for step in workflow.steps if step.present]
        failed = actions.first_failed(workflow)
        field.choices = [(WHOLE, "From the start: the whole workflow"), *steps]
        field.initial = _value(failed) if failed else WHOLE

    def data_of_intent(self) -> dict[str, Any]:
        start: str = self.cleaned_data["start"]
        return {"from_step": unquote_key(start.removeprefix(STEP)) if start != WHOLE else ""}


def _value(step: Step) -> str:
    return STEP + quote_key(step.key)


def _label(step: Step) -> str:
    return f"From {excerpt(step.label, 80)} on ({excerpt(step.status_text, 30)})"


def _effect(verb: str, sentence: str) -> Callable[[Raw | None], str]:
    """The effect; before it, that the console does not know the item's status, and after it, how many of the steps one
    change holds where these are too many for it."""

    def effect(raw: Raw | None) -> str:
        if raw is None:
            return sentence
        unknown = unknown_status(raw) if verb != "retry" else ""
        note = actions.notes_before(raw, datetime.now(UTC)).get(verb, "")
        return f"{unknown} {sentence} {note}".strip()

    return effect


RETRY = ItemAction(
    Action.WORKFLOW_RETRY,
    "tracking.retry_workflows",
    actions.retry,
    label="Retry",
    icon="refresh",
    title="Retry the workflow",
    effect=_effect(
        "retry",
        "Sets the workflow to initializing, and the chosen step and all later steps to pending. Their recorded values are "
        "cleared. Earlier steps are kept, and the totals count only those. Then the command is sent to the orchestrators.",
    ),
    summary="Retry a workflow",
    scope="workflows:act",
    form_class=RetryForm,
    still_holds=actions.holds_retry,
    bulk={"from_failed_or_start": True},
    observed=VOCABULARY,
)
CANCEL = ItemAction(
    Action.WORKFLOW_CANCEL,
    "tracking.cancel_workflows",
    actions.cancel,
    label="Cancel",
    icon="ban",
    title="Cancel the workflow",
    effect=_effect(
        "cancel",
        "Sets its status to cancelled and the steps that have not ended to stopped. An orchestrator that is "
        "busy with it sees that at its next write, or may overwrite it: the page shows which.",
    ),
    summary="Cancel a workflow",
    scope="workflows:act",
    bulk={},
)
FAIL = ItemAction(
    Action.WORKFLOW_FAIL,
    "tracking.fail_workflows",
    actions.fail,
    label="Mark failed",
    icon="circle-x",
    title="Mark the workflow failed",
    effect=_effect(
        "fail",
        "Sets its status to failed, and its running steps to error with the reason. An orchestrator that is still "
        "alive may overwrite it: the page shows that.",
    ),
    summary="Mark a workflow failed",
    scope="workflow:fail",
    undone="undone",
    form_class=ReasonedForm,
    bulk={},
)
COMPLETE = ItemAction(
    Action.WORKFLOW_COMPLETE,
    "tracking.complete_workflows",
    actions.complete,
    label="Mark completed",
    icon="circle-check",
    title="Mark the workflow completed",
    effect=_effect(
        "complete",
        "Sets its status to completed and leaves steps and totals as they are; the page says who marked it. An "
        "orchestrator that is still alive may overwrite it: the page shows that.",
    ),
    summary="Mark a workflow completed",
    scope="workflow:complete",
    undone="undone",
    bulk={},
)
PURGE = ItemAction(
    Action.WORKFLOW_PURGE,
    "tracking.purge_workflows",
    actions.purge,
    label="Purge",
    icon="trash",
    title="Purge the workflow",
    effect="Deletes it at once.",
    undone="brought back",
    typed=True,
    danger=True,
    bulk={},
)
ACTIONS = ItemActions(
    namespace="tracking",
    model=Workflow,
    parameter="session_id",
    gone=actions.GONE,
    stamps=("lastUpdated",),
    statuses=("overallStatus",),
    actions=(RETRY, CANCEL, FAIL, COMPLETE, PURGE),
)
