from django.apps import AppConfig


class NetraConfig(AppConfig):
    name = "netra"
    verbose_name = "Netra"

    def ready(self) -> None:
        from netra import checks  # noqa: F401  (registers the system checks)
