import pytest

STORES = """\
volumes:
- {volume: v}
- {volume: w}
secrets:
- {secret: s, local_path_file: key.json}
"""


def told(project, keys):
    return project.told_of_task(f"image: img, cmd: x, {keys}", STORES)


def test_mounts_side_by_side(project):
    keys = (
        "mounts: [{volume: v, path: /data/a}, {volume: w, path: data}, {volume: v, path: /data/ab}]"
    )
    assert not told(project, f"{keys}, secrets: [{{secret: s, remote_path: /run/s}}]")


@pytest.mark.parametrize(("first", "second"), [("/a", "/a"), ("/a", "/a/"), ("b", "./b")])
def test_two_volumes_at_one_path(project, first, second):
    (found,) = told(
        project, f"mounts: [{{volume: v, path: {first}}}, {{volume: w, path: {second}}}]"
    )
    assert 'error[mount-collision] volume "w" and volume "v" are both at' in found


def test_volume_and_secret_at_one_path(project):
    keys = "mounts: [{volume: v, path: /a}], secrets: [{secret: s, remote_path: /a}]"
    assert told(project, keys) == [
        '13 /a error[mount-collision] secret "s" and volume "v" are both at "/a"'
    ]


def test_secret_inside_a_volume(project):
    keys = "mounts: [{volume: v, path: /a}], secrets: [{secret: s, remote_path: /a/b}]"
    assert told(project, keys) == [
        '13 /a/b warning[mount-inside] secret "s" at "/a/b" lies inside volume "v"'
    ]


def test_volume_inside_another_that_stands_after_it(project):
    keys = "mounts: [{volume: v, path: a/b}, {volume: w, path: a}]"
    (found,) = told(project, keys)
    assert found.endswith('warning[mount-inside] volume "v" at "a/b" lies inside volume "w"')


@pytest.mark.parametrize("path", ["/", ".", "..", "../a", "a/../..", "~/a", "~", "/a:b"])
def test_path_that_cannot_be_a_mount(project, path):
    (found,) = told(project, f'mounts: [{{volume: v, path: "{path}"}}]')
    assert "error[mount-path]" in found


def test_secret_of_a_service_at_the_root(project):
    project.file("app.py", "def f(): ...\n")
    text = f"""\
name: app
images:
- image: img
  type: python_server
  source: .
  endpoints: [{{endpoint: /f, module: app, function: f}}]
{STORES}services:
- {{service: one, image: img, secrets: [{{secret: s, remote_path: /}}]}}
"""
    assert project.told(text) == ['13 / error[mount-path] "/" cannot be the path of secret "s"']
