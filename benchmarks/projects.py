"""Generated projects: many pipelines, in one file or in one file each."""

from pathlib import Path

TASKS = 10


def pipeline_text(number: int) -> str:
    """One pipeline with its tasks, indented for a ``pipelines`` list."""
    tasks = "".join(
        f"      - task: task_{index}\n"
        f"        image: myorg/app:1.2\n"
        f"        cmd: python step_{index}.py --rows {{{{ rows }}}}\n"
        f"        retries: 2\n"
        f"        env_vars:\n"
        f"          STEP: '{index}'\n"
        f"          PIPELINE: pipeline_{number}\n"
        f"        depends_on: [{f'task_{index - 1}' if index % 3 else ''}]\n"
        for index in range(TASKS)
    )
    return (
        f"  - pipeline: pipeline_{number}\n"
        f"    schedule: 0 {number % 24} * * *\n"
        f"    start_date: 2026-01-01\n"
        f"    timeout_minutes: 45\n"
        f"    tasks:\n{tasks}"
    )


def one_file(folder: Path, pipelines: int) -> Path:
    """A project whose single liminal.yml holds all pipelines."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "liminal.yml"
    text = "".join(pipeline_text(number) for number in range(pipelines))
    file.write_text(f"name: big\nvariables:\n  rows: 10\npipelines:\n{text}", encoding="utf-8")
    return file


def one_file_each(folder: Path, pipelines: int) -> Path:
    """A project of as many applications as pipelines."""
    for number in range(pipelines):
        app = folder / f"app_{number:05}"
        app.mkdir(parents=True, exist_ok=True)
        (app / "liminal.yml").write_text(
            f"name: app_{number}\nvariables:\n  rows: 10\npipelines:\n{pipeline_text(number)}",
            encoding="utf-8",
        )
    return folder
