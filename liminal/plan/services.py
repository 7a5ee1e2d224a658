"""App -> one plan a service: what the serving application is told, and what it needs around it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from liminal.images.python_server import endpoints_served
from liminal.model import App, Resources, Service
from liminal.plan.dag import MountPlan, SecretPlan, mount_plans, secret_plans


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePlan:
    """One HTTP service.

    Attributes:
        configuration: the content of the serving application's ``service.json``.
        port: in the container.
        env_vars: the service's own, with LIMINAL_APP and LIMINAL_SERVICE.
    """

    app: str
    service: str
    image: str
    configuration: Mapping[str, Any]
    port: int
    env_vars: Mapping[str, str]
    mounts: tuple[MountPlan, ...]
    secrets: tuple[SecretPlan, ...]
    resources: Resources


def service_plans(app: App) -> tuple[ServicePlan, ...]:
    """A plan for each service of the application, by name."""
    services = sorted(app.services, key=lambda service: service.name)
    return tuple(_service_plan(app, service) for service in services)


def _service_plan(app: App, service: Service) -> ServicePlan:
    return ServicePlan(
        app=app.name,
        service=service.name,
        image=service.image,
        configuration={
            "service": service.name,
            "endpoints": endpoints_served(service.endpoints),
            "workers": service.workers,
            "threads": service.threads,
            "request_timeout_seconds": service.request_timeout_seconds,
            "max_body_mb": service.max_body_mb,
        },
        port=service.port,
        env_vars={
            **service.env_vars,
            "LIMINAL_APP": app.name,
            "LIMINAL_SERVICE": service.name,
        },
        mounts=mount_plans(app, service.mounts),
        secrets=secret_plans(app, service.secrets),
        resources=service.resources,
    )
