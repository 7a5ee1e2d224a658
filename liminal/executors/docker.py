"""``type: docker``: the command runs in a container on this machine's engine."""

from collections.abc import Mapping
from typing import ClassVar

from liminal.executors.operator_arguments import operator_arguments
from liminal.plugins import Schema
from liminal.steps import RunCommand, Step

# Source: apache-airflow-providers-docker 4.6, DockerOperator.__init__, without what the task
# itself says (image, command, environment).
_DOCKER_OPERATOR = """
    text    api_version  The version of Docker's interface  "auto"
    text    container_name  The container's name  "training"
    text    env_file  A file with environment variables  "/opt/airflow/train.env"
    text    host_tmp_dir  Where the temporary folder of the mount is made  "/var/tmp"
    text    network_mode  The network of the container  "bridge"
    text    tls_ca_cert  The certificate of the engine's authority  "/certs/ca.pem"
    text    tls_client_cert  The certificate that is shown to the engine  "/certs/cert.pem"
    text    tls_client_key  The key of that certificate  "/certs/key.pem"
    text    tls_ssl_version  The version of TLS  "1.3"
    text    tmp_dir  Where the temporary folder is in the container  "/tmp/airflow"
    text    working_dir  The folder that the command runs in  "/app"
    text    docker_conn_id  The Airflow connection to the registry  "registry"
    text    auto_remove  Whether the container is removed: never, success or force  "success"
    text    hostname  The host name of the container  "trainer"
    text    retrieve_output_path  A file of the container that becomes the task's result  "/tmp/result"
    text    log_opts_max_size  The size at which the engine turns its log over  "10m"
    text    log_opts_max_file  How many logs the engine keeps  "3"
    text    ipc_mode  Which memory the container shares  "host"
    flag    force_pull  Whether the image is always pulled  false
    flag    tls_verify  Whether the engine's certificate is checked  true
    flag    mount_tmp_dir  Whether a temporary folder is mounted  false
    flag    xcom_all  Whether the whole log becomes the task's result  false
    flag    tty  Whether the container has a terminal  false
    flag    privileged  Whether the container has every right  false
    flag    retrieve_output  Whether retrieve_output_path is read  false
    number  cpus  How many processors the container may use  1.5
    number  shm_size  Bytes of shared memory  1073741824
    number  timeout  Seconds that the engine may take to answer  60
    list    mounts  Further mounts, as Docker writes them  [{"Source": "/data", "Target": "/data", "Type": "bind"}]
    list    dns  Name servers of the container  ["10.0.0.2"]
    list    dns_search  Domains in which names are looked up  ["example.com"]
    list    cap_add  Capabilities that the container gets  ["SYS_PTRACE"]
    list    device_requests  Devices such as GPUs  [{"Count": -1, "Capabilities": [["gpu"]]}]
    list    ulimits  Limits of the container's processes  [{"Name": "nofile", "Soft": 65536}]
    map     private_environment  Environment variables that Airflow does not show  {"LOG_LEVEL": "debug"}
    map     extra_hosts  Further lines of /etc/hosts  {"db": "10.0.0.1"}
    map     port_bindings  Ports of the container on the host  {"8080": 8080}
    any     docker_url  Where the engine answers  "unix:///var/run/docker.sock"
    any     mem_limit  How much memory the container may use  "2g"
    any     user  The user that runs the command  1000
    any     entrypoint  The container's entry point  ["/bin/sh"]
    any     tls_hostname  The name that the engine's certificate must have  "docker.example.com"
    any     skip_on_exit_code  Exit codes that skip the task  99
    any     labels  Further labels of the container  {"team": "ml"}
"""  # noqa: E501 - a table has one line an argument


class Docker:
    """Any argument of Airflow's DockerOperator may be set."""

    properties: ClassVar[Mapping[str, Schema]] = operator_arguments(_DOCKER_OPERATOR)
    steps: ClassVar[tuple[type[Step], ...]] = (RunCommand,)
    operator: ClassVar[str] = "liminal.runners.airflow.operators.DockerOperator"
