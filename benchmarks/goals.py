"""The rows of the benchmark's table: what was measured before the work on speed began, and what is wanted."""

from dataclasses import dataclass

from benchmarks.figures import Figure


@dataclass(frozen=True)
class Goal:
    """`measure`: what measures it (`benchmarks.measures`), as the figure `key`. `then`: as it was. `limit`: at most, or
    `at_least`; None: for comparison alone."""

    measure: str
    key: str
    name: str
    then: str
    limit: float | None = None
    unit: str = ""
    at_least: bool = False

    def met(self, figure: Figure | None) -> bool | None:
        """None: there is nothing to meet, or nothing was measured."""
        if self.limit is None or figure is None:
            return None
        return figure.value >= self.limit if self.at_least else figure.value <= self.limit

    @property
    def wanted(self) -> str:
        if self.limit is None:
            return ""
        return f"{'>=' if self.at_least else '<='} {self.limit:g} {self.unit}".rstrip()


FLOOR, STATUS = "x floor", "x status"
# In the order of the table. `then` is of two cores, at the revision where the work on speed began.
GOALS: tuple[Goal, ...] = (
    Goal("status", "status-cookie-p50", "status endpoint, p50, cookie", "4.4", 1.3, FLOOR),
    Goal("status", "status-token-p50", "status endpoint, p50, token", "4.4", 1.3, FLOOR),
    Goal("status", "status-cookie-rate", "requests/s at 16 connections, cookie", "0.21", 0.7, FLOOR, True),
    Goal("status", "status-token-rate", "requests/s at 16 connections, token", "0.21", 0.7, FLOOR, True),
    Goal("status", "status-cookie-cpu", "status endpoint, CPU, cookie", "5.1", 1.4, FLOOR),
    Goal("status", "status-token-cpu", "status endpoint, CPU, token", "5.1", 1.4, FLOOR),
    Goal("lists", "requests-page-p50", "list of 50 requests, p50", "4.0", 1.6, FLOOR),
    Goal("lists", "workflows-page-p50", "list of 50 workflows, p50", "3.4", 1.6, FLOOR),
    Goal("lists", "requests-page-cpu", "list of 50 requests, CPU", "8.0", 2.2, FLOOR),
    Goal("lists", "workflows-page-cpu", "list of 50 workflows, CPU", "5.0", 2.2, FLOOR),
    Goal("lists", "requests-all-page-p50", "all requests, 13 partitions, p50", "1.6-2.4", 1.3, FLOOR),
    Goal("lists", "workflows-all-page-p50", "all workflows, 5 partitions, p50", "1.6-2.4", 1.3, FLOOR),
    Goal("lists", "requests-all-page-cpu", "all requests, CPU", ""),
    Goal("lists", "workflows-all-page-cpu", "all workflows, CPU", ""),
    Goal("calls", "requests-all-calls", "all requests, calls", "15-27"),
    Goal("calls", "workflows-all-calls", "all workflows, calls", "15-27"),
    Goal("calls", "requests-all-waves", "all requests, waves of calls", "15-27", 2),
    Goal("calls", "workflows-all-waves", "all workflows, waves of calls", "15-27", 2),
    Goal("calls", "requests-all-units", "all requests, 13 partitions, read units", "58", 20, "RCU"),
    Goal("calls", "workflows-all-units", "all workflows, read units", "58", 20, "RCU"),
    Goal("polls", "polls-rendered", "unchanged polls not answered with 204", "some", 0),
    Goal("lists", "requests-poll-p50", "unchanged poll of 50 requests, p50", "1.6", 1.1, FLOOR),
    Goal("lists", "workflows-poll-p50", "unchanged poll of 50 workflows, p50", "", 1.1, FLOOR),
    Goal("lists", "requests-all-poll-p50", "unchanged poll of all requests, p50", "", 1.1, FLOOR),
    Goal("lists", "workflows-all-poll-p50", "unchanged poll of all workflows, p50", "", 1.1, FLOOR),
    Goal("lists", "requests-poll-cpu", "unchanged poll of 50 requests, CPU", "2.5"),
    Goal("lists", "workflows-poll-cpu", "unchanged poll of 50 workflows, CPU", ""),
    Goal("lists", "requests-all-poll-cpu", "unchanged poll of all requests, CPU", ""),
    Goal("lists", "workflows-all-poll-cpu", "unchanged poll of all workflows, CPU", ""),
    *(
        Goal("growth", f"growth-{key}", f"growth, p50: {name}", "0.96-1.04", 1.1, "x small tables")
        for key, name in (
            ("status", "status endpoint"),
            ("requests", "list of 50 requests"),
            ("workflows", "list of 50 workflows"),
            ("requests-all", "all requests"),
            ("workflows-all", "all workflows"),
        )
    ),
    Goal("calls", "text-calls", "text filter without an index, calls a page", "15-27"),
    Goal("calls", "text-units", "text filter without an index, read units", "440", None, "RCU"),
    Goal("calls", "text", "the same: the lesser of calls/5 and RCU/100", "3-4.4", 1),
    Goal("overview", "overview-cold", "overview, whole, figures too old", "15", 4, STATUS),
    Goal("overview", "overview-warm", "overview, whole, figures at hand", "5-8", 4, STATUS),
    Goal("overview-large", "overview-large-cold", "the same, large tables, too old", "44", 4, STATUS),
    Goal("overview-large", "overview-large-warm", "the same, large tables, at hand", "5-8", 4, STATUS),
    Goal("units", "overview-units", "overview, read units in 10 s, all processes", "158-370", 20, "RCU"),
    Goal("units", "sample-units", "the minute's sample, read units in the same 10 s", "", None, "RCU"),
    Goal("browser", "first-page-desktop-shift", "overview, layout shift, 1440 px", "0.20", 0),
    Goal("browser", "first-page-phone-shift", "overview, layout shift, 380 px", "1.52", 0),
    Goal("browser", "list-page-desktop-shift", "list of requests, layout shift, 1440 px", ""),
    Goal("browser", "list-page-phone-shift", "list of requests, layout shift, 380 px", ""),
    Goal("browser", "first-page-bytes", "first visit of the overview, bytes", "139", 110, "KB"),
    Goal("browser", "first-page-requests", "first visit of the overview, requests", "19", 9),
    Goal("browser", "list-page-bytes", "first visit of a list, bytes", "", None, "KB"),
    Goal("browser", "list-page-requests", "first visit of a list, requests", "14"),
    Goal("memory", "memory", "web worker after load, PSS", "118", 80, "MB"),
    Goal("start", "start", "second start to the first page", "3.0-3.5", 2, "s"),
    Goal("operators", "operators-p95", "50 operators and the simulator, p95", "collapse", 10, "x one operator"),
    Goal("operators", "operators-errors", "50 operators and the simulator, errors", "142", 0),
    Goal("discovery", "discovery", "discovery with 1,000 agents, slowest median", "2-36", 50, "ms"),
)  # fmt: skip

# Measured on large tables alone, so by `make bench` and not by `make bench-quick`.
LARGE = ("growth", "overview-large", "operators")


def keys_of(measure: str) -> set[str]:
    """The figures that it makes."""
    return {goal.key for goal in GOALS if goal.measure == measure}
