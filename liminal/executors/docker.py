"""``type: docker``: the command runs in a container on this machine's engine."""

from collections.abc import Mapping
from typing import ClassVar

from liminal.executors.operator_arguments import operator_arguments
from liminal.plugins import Schema
from liminal.steps import RunCommand, Step

# Source: apache-airflow-providers-docker 4.6, DockerOperator.__init__, without what the task
# itself says (image, command, environment).
_DOCKER_OPERATOR = {
    "text": "api_version container_name env_file host_tmp_dir network_mode tls_ca_cert"
    " tls_client_cert tls_client_key tls_ssl_version tmp_dir working_dir docker_conn_id"
    " auto_remove hostname retrieve_output_path log_opts_max_size log_opts_max_file ipc_mode",
    "flag": "force_pull tls_verify mount_tmp_dir xcom_all tty privileged retrieve_output",
    "number": "cpus shm_size timeout",
    "list": "mounts dns dns_search cap_add device_requests ulimits",
    "map": "private_environment extra_hosts port_bindings",
    "any": "docker_url mem_limit user entrypoint tls_hostname skip_on_exit_code labels",
}


class Docker:
    """Any argument of Airflow's DockerOperator may be set."""

    properties: ClassVar[Mapping[str, Schema]] = operator_arguments(
        "DockerOperator", _DOCKER_OPERATOR
    )
    steps: ClassVar[tuple[type[Step], ...]] = (RunCommand,)
