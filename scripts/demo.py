"""The iris example, from its liminal.yml to a served prediction, through the real commands.

Everything it makes is in the folder .demo of the checkout; it stops what it starts.
"""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
DEMO = Path(os.environ.get("LIMINAL_DEMO", CHECKOUT / ".demo"))
PROJECT = DEMO / "iris"
REQUEST = {"petal_width": 2.1}


def prepare() -> dict[str, str]:
    """Makes room for the project, and gives the environment that the commands get."""
    DEMO.mkdir(parents=True, exist_ok=True)
    if PROJECT.exists():  # somebody may have changed it: that is what it is for
        kept = DEMO / f"iris.{time.strftime('%Y%m%dT%H%M%S')}"
        PROJECT.rename(kept)
        print(f"The project of an earlier demo is now {relative(kept)}.")
    environ = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "LIMINAL_HOME": str(DEMO / "liminal_home"),
        # Also on a machine with Docker: its first build would have to pull a base image.
        "LIMINAL_ENGINE": "local",
        # Whatever installers keep stays in the demo's folder too.
        "UV_CACHE_DIR": str(DEMO / "cache" / "uv"),
        "PIP_CACHE_DIR": str(DEMO / "cache" / "pip"),
    }
    show(f"export LIMINAL_HOME={environ['LIMINAL_HOME']} LIMINAL_ENGINE=local")
    show(f"cd {DEMO}")
    run(["liminal", "init", "iris"], DEMO, environ)
    show("cd iris")
    return environ


def main() -> None:
    """Runs the demo; ends with a status other than 0 if any of it fails."""
    begin = time.monotonic()
    environ = prepare()
    for command in ("validate", "build", "run"):
        run(["liminal", command], PROJECT, environ)
    port = free_port()
    show(f"liminal serve --port {port} &")
    server = subprocess.Popen(
        ["liminal", "serve", "--port", str(port)],
        cwd=PROJECT,
        env=environ,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        wait_until_ready(server)
        answer = predict(f"http://127.0.0.1:{port}")
    finally:
        server.send_signal(signal.SIGINT)
        status = server.wait(timeout=60)
    judge(answer)
    if status != 0:
        sys.exit(f"the service ended with status {status}")
    print(
        f"\nDone in {time.monotonic() - begin:.0f} s. The service is stopped; all that is left is "
        f"{relative(DEMO)} (the project and what was built) and the virtual environment.\n"
        f"Look at {relative(PROJECT / 'liminal.yml')}, change it, and run it again:\n\n"
        f"  cd {relative(PROJECT)}\n"
        f"  export LIMINAL_HOME={DEMO / 'liminal_home'} LIMINAL_ENGINE=local\n"
        f"  {Path(sys.executable).with_name('liminal')} run"
    )


def show(command: str) -> None:
    """Prints a command as one would type it."""
    print(f"\n\033[1m$ {command}\033[0m" if sys.stdout.isatty() else f"\n$ {command}", flush=True)


def run(command: list[str], folder: Path, environ: dict[str, str]) -> None:
    """Prints and runs the command; ends the demo if it fails."""
    show(shlex.join(command))
    status = subprocess.run(command, cwd=folder, env=environ, check=False).returncode
    if status:
        sys.exit(f'"{shlex.join(command)}" ended with status {status}')


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_until_ready(server: subprocess.Popen[str]) -> None:
    """Shows what the command says, and comes back once it says that the service answers."""
    ready = threading.Event()

    def echo() -> None:
        for line in server.stderr or ():
            print(line, end="", file=sys.stderr, flush=True)
            if " answers on " in line:
                ready.set()

    threading.Thread(target=echo, daemon=True).start()
    end = time.monotonic() + 60
    while not ready.wait(timeout=0.2):
        if server.poll() is not None or time.monotonic() > end:
            sys.exit("the service did not get ready")


def predict(server: str) -> dict[str, float]:
    """Sends the request and prints both it and the answer."""
    url = f"{server}/predict"
    body = json.dumps(REQUEST)
    show(f"curl --data '{body}' {url}")
    with urllib.request.urlopen(url, data=body.encode(), timeout=30) as response:
        text = response.read().decode()
    print(text, flush=True)
    answer: dict[str, float] = json.loads(text)
    return answer


def judge(answer: dict[str, float]) -> None:
    """Ends the demo if the answer is wrong."""
    if not answer["probability"] > 0.8:
        sys.exit(f"the answer is not what the example promises: {answer}")


def relative(path: Path) -> str:
    """The path as seen from the checkout."""
    return str(path.relative_to(CHECKOUT)) if path.is_relative_to(CHECKOUT) else str(path)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\ninterrupted; what was made so far is in " + relative(DEMO))
