from django.apps import AppConfig


class JobsConfig(AppConfig):
    """One action on many items, carried out by the worker; a job's items are in the jobs table of its table's location."""

    name = "opsportal.jobs"
    verbose_name = "Jobs"

    def ready(self) -> None:
        from opsportal.jobs import freezing, pacing, running
        from opsportal.operations.tasks import register

        register(freezing.TASK)
        register(running.TASK)
        register(pacing.TASK)
