"""The settings of the embedded Airflow, as the text of its airflow.cfg; pure."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from liminal.home import Home
from liminal.server.folder import ServerFolder
from liminal.server.secrets import USER, Secrets

HOST = "127.0.0.1"
"""The only address that anything of the server listens on."""

PARALLELISM = 4
"""Tasks at once: a laptop's share; each has a process of its own all the time."""

HEARTBEAT_TIMEOUT_SECONDS = 15
"""After that long without a heartbeat a scheduler counts as dead, for the next one that takes over
its tasks; its heart beats every 5 seconds."""

SERVER_VARIABLE = "LIMINAL_SERVER"
"""The environment variable that all processes of a server have: the path of its home."""

PART_VARIABLE = "LIMINAL_SERVER_PART"
"""The environment variable that tells which part of the server started a process."""

Settings = Mapping[str, Mapping[str, str]]


def settings(folder: ServerFolder, dags: Path, port: int, secrets: Secrets) -> Settings:
    """Section -> key -> value.

    Source: Airflow 3.3, config_templates/config.yml; each is there for a reason that was measured.
    """
    url = f"http://{HOST}:{port}"
    bundles = [
        {
            "name": "liminal",
            "classpath": "liminal.runners.airflow.bundle.ReleaseBundle",
            "kwargs": {"folder": str(dags)},
        },
        {
            "name": "by-hand",
            "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
            "kwargs": {"path": str(folder.dags)},
        },
    ]
    return {
        "core": {
            "executor": "LocalExecutor",
            "parallelism": str(PARALLELISM),
            "dags_folder": str(folder.dags),
            "load_examples": "False",
            "dags_are_paused_at_creation": "False",
            "auth_manager": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager."
            "SimpleAuthManager",
            "simple_auth_manager_users": f"{USER}:admin",
            "simple_auth_manager_passwords_file": str(folder.passwords),
            # Without it whoever reaches the port is an administrator, and a web page reaches it.
            "simple_auth_manager_all_admins": "False",
            "fernet_key": secrets.fernet_key,
            "execution_api_server_url": f"{url}/execution/",
            # An update of a DAG would wait for half a minute.
            "min_serialized_dag_update_interval": "0",
            # Asking for the full name waits for a name server, and changes with the network.
            "hostname_callable": "socket.gethostname",
        },
        "database": {"sql_alchemy_conn": f"sqlite:///{folder.database}"},
        "logging": {
            "base_log_folder": str(folder.logs),
            "dag_processor_child_process_log_directory": str(folder.logs / "dag_processor"),
            "colored_console_log": "False",
            "file_task_handler_new_folder_permissions": "0o700",
            "file_task_handler_new_file_permissions": "0o600",
        },
        "api": {
            "host": HOST,
            "port": str(port),
            "base_url": url,
            "workers": "1",
            "expose_config": "False",
            "secret_key": secrets.secret_key,
        },
        "api_auth": {"jwt_secret": secrets.jwt_secret},
        "scheduler": {
            "enable_health_check": "False",
            # What a killed scheduler left is taken over within half a minute, not five.
            "scheduler_health_check_threshold": str(HEARTBEAT_TIMEOUT_SECONDS),
            "orphaned_tasks_check_interval": "5",
            "task_instance_heartbeat_timeout": "60",
        },
        "dag_processor": {
            "dag_bundle_config_list": json.dumps(bundles),
            "dag_bundle_storage_path": str(folder.bundles),
            # A new file is found after both: the look at the clock, and the bundle's own time.
            "bundle_refresh_check_interval": "1",
            "refresh_interval": "2",
            "min_file_process_interval": "60",
            "parsing_processes": "1",
        },
        "workers": {
            # A worker whose task has ended sleeps for that long before it takes the next.
            "min_heartbeat_interval": "2",
            # Tasks outlast an API server that is started anew, or is ready long after the
            # scheduler, as on a busy machine, where a dozen tries cost an attempt: some 100 s.
            "execution_api_retries": "40",
            "execution_api_retry_wait_max": "5.0",
        },
        "usage_data_collection": {"enabled": "False"},
    }


def as_text(values: Settings) -> str:
    """The settings as Airflow's file of them; ``%`` begins a reference there, and is doubled."""
    lines = ["# Written by `liminal start`, anew each time: changes here are lost."]
    for section, entries in values.items():
        lines += ["", f"[{section}]"]
        lines += [f"{key} = {value.replace('%', '%%')}" for key, value in entries.items()]
    return "\n".join(lines) + "\n"


def environment(
    environ: Mapping[str, str], home: Home, folder: ServerFolder, values: Settings, python: Path
) -> dict[str, str]:
    """The environment of the server's processes.

    Settings of another Airflow that the user's environment holds, such as the address of a team's
    database, lose against ours; connections, Airflow Variables and all else stay.

    Args:
        environ: the command's own.
        home: whose server it is.
        folder: the server's.
        values: the settings that nothing may override.
        python: the interpreter that runs Liminal and Airflow.
    """
    kept = {name: value for name, value in environ.items() if not _overrides(name, values)}
    path = f"{python.parent}{os.pathsep}{environ.get('PATH', os.defpath)}"
    return {
        **kept,
        "AIRFLOW_HOME": str(folder.path),
        "AIRFLOW_CONFIG": str(folder.config),
        SERVER_VARIABLE: str(home.path),
        "LIMINAL_HOME": str(home.path),
        # Tasks and operators look for programs of this environment, which need not be activated.
        "PATH": path,
        "PYTHONUNBUFFERED": "1",
    }


def _overrides(name: str, values: Settings) -> bool:
    if name in ("AIRFLOW_HOME", "AIRFLOW_CONFIG"):
        return True
    ours = {
        f"AIRFLOW__{section}__{key}".upper() for section, keys in values.items() for key in keys
    }
    # Source: Airflow 3.3, configuration reference: both suffixes are ways to give a value.
    return name.removesuffix("_CMD").removesuffix("_SECRET") in ours or (
        # The variants for asyncio of what we set.
        name.startswith("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN")
    )
