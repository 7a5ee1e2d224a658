"""``default_args``: whether Airflow's operators take the arguments, and a file can hold them."""

from liminal.compiler.link.context import Context
from liminal.compiler.nodes import Map
from liminal.suggest import nearest

# Source: apache-airflow-task-sdk 1.3.2, ``airflow.sdk.bases.operator.BaseOperator.__init__``.
_ARGUMENTS = frozenset(
    "allow_nested_operators depends_on_past do_xcom_push doc doc_json doc_md doc_rst doc_yaml"
    " email email_on_failure email_on_retry end_date execution_timeout executor executor_config"
    " ignore_first_depends_on_past logger_name map_index_template max_active_tis_per_dag"
    " max_active_tis_per_dagrun max_retry_delay multiple_outputs owner params pool pool_slots"
    " priority_weight queue render_template_as_native_obj resources retries retry_delay"
    " retry_exponential_backoff run_as_user start_date task_display_name trigger_rule"
    " wait_for_downstream wait_for_past_depends_before_skipping weight_rule".split()
)
_PYTHON_OBJECTS = frozenset(
    "inlets on_execute_callback on_failure_callback on_retry_callback on_skipped_callback"
    " on_success_callback outlets post_execute pre_execute retry_policy".split()
)
_OURS = frozenset("dag default_args task_group task_id".split())


def check_default_args(pipeline: Map, context: Context) -> None:
    """Adds a finding for each argument that no operator takes, or that no file can hold.

    The arguments of the executors' operators are taken too: these are operators as well.
    """
    arguments = pipeline.mapping("default_args")
    for key in arguments:
        if context.is_full:
            return
        if key not in _ARGUMENTS:
            _check(key, arguments, context)


def _check(key: str, arguments: Map, context: Context) -> None:
    origin = arguments.at_key(key)
    if key in _PYTHON_OBJECTS:
        hint = "to be told of a failure, see alerts_backends" if "failure" in key else None
        message = f'"default_args" cannot have "{key}", which is an object of Python'
        context.error("not-allowed", message, origin, hint)
        return
    if key in _OURS:
        message = f'"default_args" cannot have "{key}", which Liminal sets'
        context.error("not-allowed", message, origin, "remove it")
        return
    known = {
        name
        for _, executor in context.plugins.loadable("liminal.executors")
        for name in executor.properties
    }
    if key in known:
        return
    meant = nearest(key, sorted(_ARGUMENTS))
    message = f'no operator of Airflow takes "{key}"'
    if meant:
        context.error("unknown-key", f'{message}; did you mean "{meant}"?', origin)
    else:
        context.warning("unknown-key", message, origin, "it has no effect; remove it")
