from django.apps import AppConfig
from django.urls import reverse


class RegistryConfig(AppConfig):
    name = "registry"
    verbose_name = "Agents"

    def ready(self) -> None:
        from opsportal.operations.subjects import Subject, register
        from registry import actions, dialects, versions, watches

        register(
            Subject(
                name="agent",
                logical="agents",
                title="Agent",
                stamp="updatedAt",
                undo_permissions={"purge": "registry.purge_agents", "edit": "registry.edit_agents"},
                item_url=lambda key: reverse("registry:item", args=[key]),
                renewed=actions.renewed,
                written=versions.written,
            )
        )
        dialects.check()
        watches.register_all()
