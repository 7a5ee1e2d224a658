"""Settings, keys and the files they are in; pure but for the files."""

import configparser
import json
from pathlib import Path

import pytest

from liminal.errors import ServerError
from liminal.home import Home
from liminal.server.folder import make_folder
from liminal.server.ports import near_port
from liminal.server.secrets import Secrets, keep_secrets
from liminal.server.settings import as_text, environment, settings
from liminal.server.trigger import configuration

SECRETS = Secrets(jwt_secret="canary-1", fernet_key="canary-2", secret_key="canary-3", password="4")


def test_settings_survive_airflows_file_also_with_percent_signs(tmp_path: Path) -> None:
    home = Home(tmp_path / "100% mine")
    folder = make_folder(home)
    text = as_text(settings(folder, home.dags, 8080, SECRETS))
    parser = configparser.ConfigParser()
    parser.read_string(text)
    assert parser["database"]["sql_alchemy_conn"] == f"sqlite:///{home.path}/airflow/airflow.db"
    deployed, by_hand = json.loads(parser["dag_processor"]["dag_bundle_config_list"])
    assert deployed["kwargs"] == {"folder": str(home.dags)}
    assert by_hand["kwargs"] == {"path": str(folder.dags)}
    assert parser["core"]["simple_auth_manager_all_admins"] == "False"
    assert parser["api"]["host"] == "127.0.0.1"


def test_another_airflow_in_the_environment_overrides_nothing(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    folder = make_folder(home)
    environ = {
        "AIRFLOW_HOME": "/theirs",
        "AIRFLOW_CONFIG": "/theirs/airflow.cfg",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql://production",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD": "cat secret",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": "postgresql://production",
        "AIRFLOW__API__HOST": "0.0.0.0",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__SMTP__SMTP_HOST": "mail",
        "AIRFLOW_CONN_WAREHOUSE": "postgresql://warehouse",
        "PATH": "/usr/bin",
    }
    values = settings(folder, home.dags, 8080, SECRETS)
    env = environment(environ, home, folder, values, Path("/venv/bin/python"))
    assert {name for name in env if name.startswith("AIRFLOW_")} == {
        "AIRFLOW_HOME",
        "AIRFLOW_CONFIG",
        "AIRFLOW__SMTP__SMTP_HOST",
        "AIRFLOW_CONN_WAREHOUSE",
    }
    assert env["AIRFLOW_HOME"] == str(folder.path)
    assert env["PATH"] == "/venv/bin:/usr/bin"
    assert not [value for value in env.values() if "canary" in value]


def test_keys_are_made_once_and_shown_to_nobody(tmp_path: Path) -> None:
    folder = make_folder(Home(tmp_path / "home"))
    made = keep_secrets(folder)
    assert keep_secrets(folder) == made
    assert len(made.password) >= 16
    assert made.password not in repr(made)
    assert made.jwt_secret not in repr(made)
    folder.secrets.chmod(0o644)
    keep_secrets(folder)
    for file in (folder.secrets, folder.passwords):
        assert file.stat().st_mode & 0o777 == 0o600


def test_a_password_of_the_users_own_stays(tmp_path: Path) -> None:
    folder = make_folder(Home(tmp_path / "home"))
    folder.passwords.write_text('{"admin": "mine"}')
    assert keep_secrets(folder).password == "mine"
    folder.passwords.write_text("mine")
    with pytest.raises(ServerError, match="is damaged"):
        keep_secrets(folder)


def test_a_service_gets_the_port_after_or_a_free_one() -> None:
    free = near_port(0, set())
    assert near_port(free, set()) == free
    assert near_port(free, {free}) != free
    assert near_port(65536, set()) < 65536


def test_variables_of_a_trigger_have_the_type_that_the_pipeline_wants() -> None:
    params = {
        "n": {"type": "integer"},
        "maybe": {"type": ["null", "number"]},
        "name": {"type": "string"},
        "free": {},
    }
    given = {"n": "3", "maybe": "0.5", "name": "7", "free": "8", "other": "9"}
    assert configuration(given, params) == {
        "n": 3,
        "maybe": 0.5,
        "name": "7",
        "free": "8",
        "other": "9",
    }
