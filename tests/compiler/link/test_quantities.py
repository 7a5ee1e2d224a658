import pytest


@pytest.mark.parametrize(
    "resources",
    [
        "cpu: 2",
        "cpu: 0.5",
        "cpu: 500m",
        "memory: 512Mi",
        "memory: 2G",
        "memory: 1e9",
        "memory: 1000",
    ],
)
def test_amount_as_kubernetes_writes_it(project, resources):
    assert not project.told_of_task(f"image: img, cmd: x, resources: {{{resources}}}")


@pytest.mark.parametrize(
    ("amount", "meant"),
    [("2GB", "2G"), ("2 gb", "2G"), ("512mib", "512Mi"), ("4KB", "4k"), ("1.5gi", "1.5Gi")],
)
def test_amount_as_people_say_it(project, amount, meant):
    (found,) = project.told_of_task(f"image: img, cmd: x, resources: {{memory: {amount}}}")
    message = f'"memory" cannot be "{amount}"; did you mean "{meant}"?'
    assert found == f"8 {amount.split()[0]} error[bad-value] {message}"


@pytest.mark.parametrize("cpu", ["half", "2 cores", "-1", "50%"])
def test_no_amount(project, cpu):
    (found,) = project.told_of_task(f"image: img, cmd: x, resources: {{cpu: {cpu}}}")
    assert found == f'8 {cpu.split()[0]} error[bad-value] "cpu" cannot be "{cpu}"'
