"""App -> the images to build, in order of their names."""

from liminal.images.recipe import ImagePlan
from liminal.model import App

__all__ = ["ImagePlan", "image_plans"]


def image_plans(app: App) -> tuple[ImagePlan, ...]:
    """One plan for each image of the application, by name."""
    return tuple(
        ImagePlan(app=app.name, image=image)
        for image in sorted(app.images, key=lambda image: image.name)
    )
