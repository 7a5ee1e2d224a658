"""``type: kubernetes``: the command runs as a pod, by Airflow's KubernetesPodOperator."""

from collections.abc import Mapping
from typing import ClassVar

from liminal.executors.operator_arguments import operator_arguments
from liminal.plugins import Schema
from liminal.steps import RunCommand, Step

# Source: apache-airflow-providers-cncf-kubernetes 10.25, KubernetesPodOperator.__init__, without
# what the task itself says (image, cmds, arguments, env_vars, callbacks).
_POD_OPERATOR = """
    text    kubernetes_conn_id  The Airflow connection to the cluster  "kubernetes_default"
    text    namespace  The namespace of the pods  "ml"
    text    name  What the names of the pods begin with  "training"
    text    cluster_context  The context of the kubeconfig  "production"
    text    base_container_name  The name of the container that runs the command  "base"
    text    image_pull_policy  When the node pulls the image  "IfNotPresent"
    text    config_file  The kubeconfig on the Airflow worker  "/opt/airflow/kubeconfig"
    text    runtime_class_name  The RuntimeClass of the pods  "nvidia"
    text    service_account_name  The service account of the pods  "trainer"
    text    dnspolicy  How the pods resolve names  "ClusterFirst"
    text    hostname  The host name of the pods  "trainer"
    text    subdomain  The subdomain of the pods  "training"
    text    schedulername  The scheduler that places the pods  "volcano"
    text    pod_template_file  A file with the pod that the others begin from  "/opt/airflow/pod.yaml"
    text    priority_class_name  The PriorityClass of the pods  "batch"
    text    on_finish_action  What becomes of a pod that ended  "delete_pod"
    text    on_kill_action  What becomes of a pod whose task was stopped  "delete_pod"
    text    termination_message_policy  Where the reason of a failure is read from  "FallbackToLogsOnError"
    flag    random_name_suffix  Whether each pod's name ends in something random  true
    flag    in_cluster  Whether Airflow itself runs in the cluster  true
    flag    reattach_on_restart  Whether a pod is taken up again after a worker's death  true
    flag    durable  Whether the pod outlives the worker that made it  true
    flag    get_logs  Whether the pod's log becomes the task's  true
    flag    automount_service_account_token  Whether the pods get their account's token  false
    flag    hostnetwork  Whether the pods share the network of their node  false
    flag    log_events_on_failure  Whether a failed pod's events are logged  true
    flag    log_events_on_startup  Whether a starting pod's events are logged  true
    flag    do_xcom_push  Whether /airflow/xcom/return.json becomes the task's result  false
    flag    deferrable  Whether waiting for the pod leaves the worker free  true
    flag    log_pod_spec_on_failure  Whether a failed pod's specification is logged  false
    flag    is_delete_operator_pod  Old form of on_finish_action  true
    flag    container_name_log_prefix_enabled  Whether each line of log names its container  false
    number  startup_timeout_seconds  How long a pod may take to start  600
    number  startup_check_interval_seconds  Seconds between two looks at a starting pod  5
    number  schedule_timeout_seconds  How long a pod may wait for a node  300
    number  base_container_status_polling_interval  Seconds between two looks at a running pod  5
    number  termination_grace_period  Seconds that a pod may take to end  30
    number  poll_interval  Seconds between two looks while deferred  10
    number  active_deadline_seconds  How long a pod may run  3600
    number  logging_interval  Seconds between two reads of the log while deferred  30
    list    ports  Ports of the container, as Kubernetes writes them  [{"containerPort": 8080}]
    list    volume_mounts  Further mounts, as Kubernetes writes them  [{"name": "cache", "mountPath": "/cache"}]
    list    volumes  Further volumes, as Kubernetes writes them  [{"name": "cache", "emptyDir": {}}]
    list    env_from  ConfigMaps and Secrets that become environment variables  [{"configMapRef": {"name": "settings"}}]
    list    secrets  Secrets, as the operator takes them  []
    list    image_pull_secrets  Secrets for private registries  [{"name": "registry"}]
    list    host_aliases  Further lines of /etc/hosts  [{"ip": "10.0.0.1", "hostnames": ["db"]}]
    list    tolerations  Taints of nodes that the pods tolerate  [{"key": "gpu", "operator": "Exists"}]
    list    init_containers  Containers that run before the command's  [{"name": "wait", "image": "busybox"}]
    list    pod_runtime_info_envs  What Kubernetes knows of the pod, as environment variables  [{"name": "NODE", "field_path": "spec.nodeName"}]
    list    configmaps  ConfigMaps that become environment variables  ["settings"]
    map     labels  Further labels of the pods  {"team": "ml"}
    map     annotations  Annotations of the pods  {"sidecar.istio.io/inject": "false"}
    map     container_resources  Requests and limits, as Kubernetes writes them  {"requests": {"cpu": "500m"}}
    map     affinity  Which nodes the pods prefer  {"nodeAffinity": {}}
    map     node_selector  Labels of the nodes that may run the pods  {"disk": "ssd"}
    map     security_context  The security context of the pods  {"runAsNonRoot": true}
    map     container_security_context  The security context of the container  {"privileged": false}
    map     xcom_sidecar_container_security_context  The security context of the container that reads the result  {"runAsNonRoot": true}
    map     dns_config  How the pods resolve names, in detail  {"nameservers": ["10.0.0.2"]}
    map     full_pod_spec  The pod that the others begin from  {"spec": {}}
    map     pod_template_dict  The pod that the others begin from, as a mapping  {"spec": {}}
    map     trigger_kwargs  Further arguments of the trigger that waits  {}
    any     init_container_logs  Init containers whose log becomes the task's  ["wait"]
    any     container_logs  Containers whose log becomes the task's  ["base"]
    any     skip_on_exit_code  Exit codes that skip the task  99
"""  # noqa: E501 - a table has one line an argument

# Apache Liminal's flat form, inside `resources` or beside it.
_FLAT_RESOURCES = """
    any     request_cpu  Old form of resources.requests.cpu  "500m"
    any     request_memory  Old form of resources.requests.memory  "1Gi"
    any     request_ephemeral_storage  Old form of resources.requests.ephemeral-storage  "5Gi"
    any     limit_cpu  Old form of resources.limits.cpu  2
    any     limit_memory  Old form of resources.limits.memory  "2Gi"
    any     limit_gpu  Old form of resources.limits.nvidia.com/gpu  1
    any     limit_ephemeral_storage  Old form of resources.limits.ephemeral-storage  "10Gi"
"""

_RESOURCES = """
    map     requests  What a pod is sure to have, by the name of the resource  {"cpu": "500m"}
    map     limits  What a pod may have at most, by the name of the resource  {"memory": "2Gi"}
    list    claims  Claims of devices, as Kubernetes writes them  [{"name": "gpu"}]
"""


class Kubernetes:
    """Any argument of the pod operator may be set."""

    properties: ClassVar[Mapping[str, Schema]] = {
        **operator_arguments(_POD_OPERATOR),
        **operator_arguments(_FLAT_RESOURCES),
        "resources": {
            "description": "Requests and limits: Kubernetes' own form, or the old flat one.",
            "type": "object",
            "properties": {**operator_arguments(_RESOURCES), **operator_arguments(_FLAT_RESOURCES)},
            "additionalProperties": False,
            "default": {},
            "examples": [{"requests": {"cpu": "500m"}}, {"request_cpu": "500m"}],
        },
    }
    steps: ClassVar[tuple[type[Step], ...]] = (RunCommand,)
