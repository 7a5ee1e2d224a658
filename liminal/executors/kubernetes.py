"""``type: kubernetes``: the command runs as a pod, by Airflow's KubernetesPodOperator."""

from collections.abc import Mapping
from typing import ClassVar

from liminal.executors.operator_arguments import operator_arguments
from liminal.plugins import Schema
from liminal.steps import RunCommand, Step

# Source: apache-airflow-providers-cncf-kubernetes 10.25, KubernetesPodOperator.__init__, without
# what the task itself says (image, cmds, arguments, env_vars, callbacks).
_POD_OPERATOR = {
    "text": "kubernetes_conn_id namespace name cluster_context base_container_name"
    " image_pull_policy config_file runtime_class_name service_account_name dnspolicy hostname"
    " subdomain schedulername pod_template_file priority_class_name on_finish_action"
    " on_kill_action termination_message_policy",
    "flag": "random_name_suffix in_cluster reattach_on_restart durable get_logs"
    " automount_service_account_token hostnetwork log_events_on_failure log_events_on_startup"
    " do_xcom_push deferrable log_pod_spec_on_failure is_delete_operator_pod"
    " container_name_log_prefix_enabled",
    "number": "startup_timeout_seconds startup_check_interval_seconds schedule_timeout_seconds"
    " base_container_status_polling_interval termination_grace_period poll_interval"
    " active_deadline_seconds logging_interval",
    "list": "ports volume_mounts volumes env_from secrets image_pull_secrets host_aliases"
    " tolerations init_containers pod_runtime_info_envs configmaps",
    "map": "labels annotations container_resources affinity node_selector security_context"
    " container_security_context xcom_sidecar_container_security_context dns_config full_pod_spec"
    " pod_template_dict trigger_kwargs",
    "any": "init_container_logs container_logs skip_on_exit_code",
}

# Apache Liminal's flat form, inside `resources` or beside it.
_FLAT_RESOURCES = (
    "request_cpu request_memory request_ephemeral_storage limit_cpu limit_memory limit_gpu"
    " limit_ephemeral_storage"
)


class Kubernetes:
    """Any argument of the pod operator may be set."""

    properties: ClassVar[Mapping[str, Schema]] = {
        **operator_arguments("KubernetesPodOperator", _POD_OPERATOR),
        **operator_arguments("KubernetesPodOperator (old form)", {"any": _FLAT_RESOURCES}),
        "resources": {
            "description": "Requests and limits: Kubernetes' own form, or the old flat one.",
            "type": "object",
            "default": {},
            "examples": [{"requests": {"cpu": "500m"}}, {"request_cpu": "500m"}],
        },
    }
    steps: ClassVar[tuple[type[Step], ...]] = (RunCommand,)
