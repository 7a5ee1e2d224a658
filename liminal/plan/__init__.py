"""App -> plans: plain, sorted data that says all a runner or an engine needs."""

from dataclasses import dataclass

from liminal.collector import collector_paused
from liminal.model import App
from liminal.plan.dag import PipelinePlan, pipeline_plan
from liminal.plan.images import ImagePlan, image_plans
from liminal.plan.services import ServicePlan, service_plans
from liminal.plugins import Plugins


@dataclass(frozen=True, slots=True, kw_only=True)
class Plans:
    """Everything that an application asks for."""

    images: tuple[ImagePlan, ...]
    pipelines: tuple[PipelinePlan, ...]
    services: tuple[ServicePlan, ...]


def plans(app: App, plugins: Plugins) -> Plans:
    """The plans of all images, pipelines and services of the application, each by name."""
    pipelines = sorted(app.pipelines, key=lambda pipeline: pipeline.name)
    with collector_paused():
        return Plans(
            images=image_plans(app),
            pipelines=tuple(pipeline_plan(app, pipeline, plugins) for pipeline in pipelines),
            services=service_plans(app),
        )
