"""Who works here, and on what. Names and addresses are made up; the addresses are those that RFC 2606 reserves."""

from dataclasses import dataclass

# Account, role: who acts in the console, and asks for briefs by day.
PEOPLE = {"maria.lindqvist": "operator", "j.okafor": "operator", "chen.wei": "administrator"}
# Who asks for briefs only.
ANALYSTS = ("priya.raman", "t.novak", "s.abdi")
# What asks for them at night and at weekends.
SCHEDULE = "svc-scheduler"

REGISTER = {
    "name": "Regulatory register",
    "base_url": "https://register.example.org",
    "source_type": "government",
}
JOURNALS = {"name": "Journal archive", "base_url": "https://journals.example.com", "source_type": "academic"}
TRIALS = {"name": "Trial registry", "base_url": "https://trials.example.net", "source_type": "clinical"}
FILINGS = {"name": "Company filings", "base_url": "https://filings.example.org", "source_type": "financial"}
NEWS = {"name": "Newswire", "base_url": "https://news.example.com", "source_type": "news"}


@dataclass(frozen=True)
class Brief:
    """A kind of request: the project that asks for it, its keywords, its sources, and what comes of it."""

    project: str
    keywords: tuple[str, ...]
    sources: tuple[dict[str, str], ...]
    summaries: tuple[str, ...]
    findings: tuple[str, ...]


BRIEFS = {
    "semaglutide_intelligence": Brief(
        "obesity-pipeline",
        (
            "semaglutide",
            "GLP-1 receptor agonist",
            "weight loss medication",
            "cardiovascular outcomes",
            "oral GLP-1",
        ),
        (REGISTER, JOURNALS, TRIALS),
        (
            "Uptake grows in two regions; the extended label is cited in most new publications.",
            "No new safety signal. Supply constraints ease, and two follow-on trials start earlier than announced.",
            "Oral forms gain ground; real-world adherence is below that of the trials.",
        ),
        (
            "Label extended to cardiovascular risk",
            "Supply constraint ends in two regions",
            "Adherence after twelve months is 61 % in one cohort",
            "Three publications compare weekly and daily dosing",
            "A follow-on trial opens 14 new sites",
        ),
    ),
    "competitor_landscape": Brief(
        "obesity-pipeline",
        ("tirzepatide", "amylin analogue", "phase 3 obesity", "dual agonist", "weight maintenance"),
        (TRIALS, FILINGS, NEWS),
        (
            "Four programmes are in phase 3; one has moved its readout forward by a quarter.",
            "One dual agonist was discontinued after phase 2; partnering activity has doubled since spring.",
        ),
        (
            "Readout of one phase 3 trial moved forward",
            "A phase 2 programme was discontinued",
            "Two licensing deals on amylin analogues",
            "Manufacturing capacity named as the main risk in five filings",
        ),
    ),
    "regulatory_watch": Brief(
        "label-changes-eu",
        (
            "label change",
            "post-marketing study",
            "scientific opinion",
            "safety communication",
            "variation type II",
        ),
        (REGISTER, NEWS),
        (
            "Two label changes and one new post-marketing requirement this week.",
            "No label changes; one safety communication concerns a product of the watch list.",
        ),
        (
            "One post-marketing requirement added",
            "Contraindication reworded for two products",
            "A safety communication was withdrawn and published again",
        ),
    ),
    "trial_pipeline": Brief(
        "rare-disease-brief",
        ("enzyme replacement", "orphan designation", "gene therapy", "natural history study"),
        (TRIALS, JOURNALS, REGISTER),
        (
            "Recruitment is ahead of plan in two of five trials; one site has been closed.",
            "Three trials changed their primary endpoint since the last brief.",
        ),
        (
            "Primary endpoint changed in three trials",
            "Orphan designation granted for one compound",
            "Recruitment at 74 % after nine months",
        ),
    ),
    "oncology_digest": Brief(
        "oncology-watch",
        ("antibody-drug conjugate", "checkpoint inhibitor", "overall survival", "biomarker selection"),
        (JOURNALS, TRIALS, FILINGS),
        (
            "Five new survival analyses; biomarker selection narrows in two indications.",
            "One conjugate meets its endpoint in second line; dosing is under discussion again.",
        ),
        (
            "Overall survival reported in five trials",
            "Biomarker cut-off raised in one indication",
            "Dose interval extended to six weeks in an amendment",
        ),
    ),
}
