import pytest

from liminal.compiler.link.endpoints import OWN_PATHS

IMAGES = """\
name: app
images:
- {image: plain, source: src}
- {image: bare, type: python_server, source: src}
- image: server
  type: python_server
  source: src
  endpoints:
  - {endpoint: /f, module: app, function: f}
"""


@pytest.fixture
def told(project):
    project.file("src/app.py", "def f(): ...\n")
    return lambda lines: project.told(f"{IMAGES}services:\n{lines}\n")


def test_image_that_carries_no_server(told):
    keys = "endpoints: [{endpoint: /f, module: app, function: f}]"
    assert told(f"- {{service: s, image: plain, {keys}}}") == [
        '11 plain error[wrong-image] image "plain" is of type python, which carries no server'
    ]


def test_image_without_endpoints(told):
    message = 'the service has no endpoints, and neither has its image "bare"'
    assert told("- {service: s, image: bare}") == [f"11 bare error[no-endpoints] {message}"]


@pytest.mark.parametrize("image", ["server", "myorg/elsewhere:1"])
def test_image_that_serves(told, image):
    assert not told(f"- {{service: s, image: {image}}}")


def test_image_of_the_users_own_dockerfile(project, told):
    project.file("src/Dockerfile", "FROM scratch\n")
    text = f"{IMAGES}- {{image: own, type: dockerfile, source: src}}\n"
    assert not project.told(f"{text}services: [{{service: s, image: own}}]\n")


def test_endpoints_of_a_service_are_looked_up_in_its_image(told):
    line = "- {{service: s, image: bare, endpoints: [{{endpoint: /g, module: {}, function: {}}}]}}"
    assert not told(line.format("app", "f"))
    assert told(line.format("app", "ff")) == [
        '11 ff error[unknown-function] the module "app" has no function "ff"'
    ]
    assert told(line.format("appp", "f")) == [
        '11 appp error[unknown-module] the source "src" has no module "appp"; did you mean "app"?'
    ]


def test_endpoints_of_an_image_from_elsewhere_are_not_looked_up(told):
    keys = "endpoints: [{endpoint: /g, module: nothing, function: here}]"
    assert not told(f"- {{service: s, image: myorg/elsewhere:1, {keys}}}")


@pytest.mark.parametrize("path", OWN_PATHS)
def test_endpoint_in_place_of_our_own(told, path):
    keys = f"endpoints: [{{endpoint: {path}, module: app, function: f}}]"
    assert told(f"- {{service: s, image: bare, {keys}}}") == [
        f'11 {path} warning[own-path] the endpoint "{path}" takes the place of the service\'s own'
    ]


def test_our_own_paths_are_those_of_the_server():
    from liminal.serving import own_paths

    assert set(OWN_PATHS) == set(own_paths.OWN_PATHS)


def test_two_services_on_one_port_are_two_containers(told):
    assert not told(
        "- {service: s, image: server, port: 80}\n- {service: t, image: server, port: 80}"
    )
