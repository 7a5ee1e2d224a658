"""What two applications under one path cannot both have."""

APP = """\
name: {name}
images: [{{image: {image}, source: .}}]
pipelines:
- {{pipeline: {pipeline}, tasks: [{{task: t, image: {image}, cmd: x}}]}}
services: [{{service: {service}, image: other/x}}]
"""


def app(project, name, **names):
    values = {"image": f"{name}/i", "pipeline": f"{name}-p", "service": f"{name}-s", **names}
    project.file(f"{name}/liminal.yml", APP.format(name=name, **values))


def test_names_of_their_own(project):
    app(project, "a")
    app(project, "b")
    assert not project.told()


def test_one_pipeline_in_two_applications(project):
    app(project, "a", pipeline="daily")
    app(project, "b", pipeline="daily")
    (found,) = project.findings()
    assert (found.origin.file, found.origin.line, found.origin.column) == (
        str(project.folder / "b/liminal.yml"),
        4,
        14,
    )
    assert found.message == (
        'a second pipeline is named "daily"; the first, of application "a", '
        f"is at {project.folder / 'a/liminal.yml'}:4:14"
    )


def test_one_image_of_two_sources(project):
    app(project, "a", image="img")
    app(project, "b", image="img")
    (found,) = project.told()
    assert found.startswith(
        '2 img warning[duplicate-image] image "img" has another source in application "a"'
    )


def test_one_service_in_two_applications(project):
    app(project, "a", service="s")
    app(project, "b", service="s")
    (found,) = project.told()
    assert 'warning[duplicate-service] a second service is named "s"' in found


def test_image_of_a_super_layer_is_one(project):
    project.file("liminal.yml", "name: top\ntype: super\nimages: [{image: img, source: .}]\n")
    for name in ("a", "b"):
        project.file(f"{name}/liminal.yml", f"name: {name}\nsuper: top\n")
    assert not project.told()
