"""The iris example on Airflow: built, deployed, started, triggered and asked for a prediction.

Everything it makes is in the folder .demo of the checkout; it stops what it starts.
"""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request

from demo import DEMO, PROJECT, free_port, judge, predict, prepare, relative, run, show

PIPELINE = "iris_training"
MODEL_SECONDS = 30
"""How long the service may take to find the model; it looks every second."""


def main() -> None:
    """Runs the demo; ends with a status other than 0 if any of it fails."""
    begin = time.monotonic()
    environ = prepare()
    for command in ("build", "deploy"):
        run(["liminal", command], PROJECT, environ)
    try:
        run(["liminal", "start", "--detach", "--port", str(free_port())], PROJECT, environ)
        run(["liminal", "trigger", PIPELINE, "--wait"], PROJECT, environ)
        run(["liminal", "status"], PROJECT, environ)
        service = address(environ)
        wait_for_model(service)
        answer = predict(service)
    finally:
        show("liminal stop")
        stopped = subprocess.run(["liminal", "stop"], cwd=PROJECT, env=environ, check=False)
    judge(answer)
    if stopped.returncode != 0:
        sys.exit(f"the server was not stopped: status {stopped.returncode}")
    print(
        f"\nDone in {time.monotonic() - begin:.0f} s. Airflow and the service are stopped; all "
        f"that is left is {relative(DEMO)} and the virtual environment.\n"
        f'"liminal start" in {relative(PROJECT)} shows Airflow, its pages and its password.'
    )


def address(environ: dict[str, str]) -> str:
    """Where the service answers."""
    done = subprocess.run(
        ["liminal", "status", "--format", "json"],
        cwd=PROJECT,
        env=environ,
        capture_output=True,
        check=True,
    )
    return str(json.loads(done.stdout)["services"][0]["url"])


def wait_for_model(server: str) -> None:
    """Comes back once the service has loaded the model that the run has promoted."""
    end = time.monotonic() + MODEL_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"{server}/healthcheck", timeout=10):
                return
        except urllib.error.URLError:
            if time.monotonic() > end:
                sys.exit("the service found no model")
        time.sleep(0.5)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\ninterrupted; what was made so far is in " + relative(DEMO))
