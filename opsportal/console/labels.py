"""The labels of forms' fields by their names, where the form itself is not at hand: what each app's descriptor says."""

from functools import cache

from opsportal.descriptors import descriptors


@cache
def _labels() -> dict[str, str]:
    return {name: label for descriptor in descriptors() for name, label in descriptor.labels.items()}


def label_of(name: str) -> str:
    """The field's label; "" where the form hides the field. Of a name that no app has, its words."""
    labels = _labels()
    if name in labels:
        return labels[name]
    for known, label in labels.items():
        if known.endswith("*") and name.startswith(known[:-1]):
            rest = name[len(known) - 1 :]
            return label.format(rest, words=rest.replace("_", " "))
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:] or name
