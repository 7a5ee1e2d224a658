import pytest


def test_volume_without_a_source_is_the_claim_of_its_name(project):
    (volume,) = project.app("name: a\nvolumes: [{volume: data}]\n").volumes
    assert (volume.claim_name, volume.local_path, volume.source) == ("data-pvc", None, {})


def test_folder_with_a_claim_as_apache_liminal_has_it(project):
    text = "name: a\nvolumes: [{volume: v, claim_name: v-pvc, local: {path: data}}]\n"
    (volume,) = project.app(text).volumes
    assert (volume.claim_name, volume.local_path) == ("v-pvc", str(project.folder / "data"))


def test_folder_alone_has_no_claim(project):
    (volume,) = project.app("name: a\nvolumes: [{volume: v, local: {path: /data}}]\n").volumes
    assert (volume.claim_name, volume.local_path) == (None, "/data")


@pytest.mark.parametrize("first", ["local: {path: a}", "claim_name: c", "nfs: {server: s}"])
def test_two_sources_of_a_volume(project, first):
    (found,) = project.told(f"name: a\nvolumes: [{{volume: v, {first}, emptyDir: {{}}}}]\n")
    assert 'error[volume-sources] volume "v" has several sources' in found


@pytest.mark.parametrize("name", ["Up", "a_b", "-a", "a..b", "a" * 254])
def test_claim_name_that_kubernetes_refuses(project, name):
    (found,) = project.told(f"name: a\nvolumes: [{{volume: v, claim_name: {name}}}]\n")
    assert found.startswith(f'2 {name} error[bad-name] "claim_name" of volume "v" cannot be')


@pytest.mark.parametrize("sub_path", ["/etc", "../x", "a/../../b"])
def test_sub_path_that_leads_out(project, sub_path):
    head = "volumes: [{volume: v}]\nsecrets: [{secret: s, local_path_file: k}]\n"
    told = project.told_of_task(
        f"image: img, cmd: x, mounts: [{{volume: v, path: /a, sub_path: {sub_path}}}],"
        f" secrets: [{{secret: s, remote_path: /b, sub_path: {sub_path}}}]",
        head,
    )
    assert told == [f'10 {sub_path} error[sub-path] "{sub_path}" leads out of what is mounted'] * 2
