import pytest


@pytest.mark.parametrize(
    "resources",
    [
        "{requests: {cpu: 500m}, limits: {nvidia.com/gpu: 1}}",
        "{request_cpu: 500m, request_memory: 1Gi, limit_memory: 2Gi}",
    ],
)
def test_resources_of_a_kubernetes_executor(project, resources):
    text = f"name: a\nexecutors: [{{executor: k, type: kubernetes, resources: {resources}}}]\n"
    assert not project.told(text)


def test_misspelt_resource_of_a_kubernetes_executor(project):
    text = "name: a\nexecutors: [{executor: k, type: kubernetes, resources: {request_mem: 1}}]\n"
    (found,) = project.told(text)
    assert "error[unknown-key]" in found
    assert 'did you mean "request_memory"?' in found
