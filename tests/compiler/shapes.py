"""Inputs of about 1 MB in nasty shapes: what the compiler must answer in a second and 300 MB.

Run by hand, it measures each in a process of its own: ``python tests/compiler/shapes.py [NAME …]``.
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SIZE = 1_000_000
TASK = "image: i, cmd: x"
IMAGE = "name: a\nimages: [{image: i, source: .}]\n"
TASKS = IMAGE + "pipelines:\n- pipeline: p\n  tasks:\n"
NO_TASKS = "name: a\npipelines:\n- pipeline: p\n  tasks: []\n"
VARIABLES = "name: a\nvariables:\n"


def lines(form: str, head: str = "name: a\n", count: int | None = None) -> str:
    """The head, and after it the form filled in with a number, the next one and the one before."""
    if count is None:
        count = (SIZE - len(head)) // len(form.format(50_000, next=50_001, before=49_999))
    return head + "".join(form.format(i, next=i + 1, before=i - 1) for i in range(count))


def one_task(keys: str) -> str:
    return TASKS + "  - {task: t, image: i, " + keys + "}\n"


def ring(form: str, head: str, count: int) -> str:
    return head + "".join(form.format(i, next=(i + 1) % count) for i in range(count))


def bomb(first: str, form: str, levels: int) -> str:
    text = f"{VARIABLES}  a0: &a0 {first}\n"
    for level in range(1, levels):
        many = ",".join([f"*a{level - 1}"] * 9)
        text += "  " + form.format(level, many=many) + "\n"
    return text


def depends_on_all(count: int) -> str:
    return TASKS + "".join(
        f"  - {{task: t{i}, {TASK}, depends_on: [{','.join(f't{j}' for j in range(i))}]}}\n"
        for i in range(count)
    )


BIG_DEFAULT = lines("      K{}: v\n", IMAGE + "task_defaults:\n  python:\n    env_vars:\n", 25_000)

SHAPES = {
    # YAML
    "deep_flow": lambda: "name: a\nvariables: " + "[" * SIZE,
    "deep_flow_maps": lambda: "name: " + "{a: " * (SIZE // 4),
    "deep_block": lambda: "".join(" " * i + "a:\n" for i in range(1400)),
    "deep_dashes": lambda: "- " * (SIZE // 2),
    "deep_questions": lambda: "? " * (SIZE // 2),
    "wide_list": lambda: "name: a\npipelines: [" + "a," * (SIZE // 2) + "]",
    "wide_dashes": lambda: "name: a\npipelines:\n" + "- a\n" * (SIZE // 4),
    "wide_empty_maps": lambda: "name: a\npipelines: [" + "{}," * (SIZE // 3) + "]",
    "wide_empty_lists": lambda: "name: a\npipelines: [" + "[]," * (SIZE // 3) + "]",
    "wide_small_maps": lambda: "name: a\npipelines: [" + "{a: {}}," * (SIZE // 8) + "]",
    "wide_small_maps_in_default_args": lambda: (
        NO_TASKS + "  default_args: {a: [" + "{a: {}}," * (SIZE // 8) + "]}\n"
    ),
    "many_keys": lambda: lines("k{}: 1\n"),
    "many_close_keys": lambda: lines("pipelines{}: 1\n"),
    "many_long_keys": lambda: lines("pipeline" * 1000 + "{}: 1\n"),
    "many_duplicate_keys": lambda: "name: a\n" + "k: 1\n" * (SIZE // 5),
    "many_anchors": lambda: lines("  a{0}: &a{0} 1\n", VARIABLES),
    "many_aliases": lambda: lines("  b{}: *a\n", VARIABLES + "  a: &a 1\n", 70_000),
    "many_aliased_maps": lambda: lines(
        "  b{}: *a\n", VARIABLES + "  a: &a {b: c, d: '{{{{ b }}}}'}\n", 30_000
    ),
    "billion_laughs": lambda: bomb("[x,x,x,x,x,x,x,x,x]", "a{0}: &a{0} [{many}]", 10),
    "merge_bomb": lambda: bomb("{x: 1}", "a{0}: &a{0} {{<<: [{many}], k{0}: 1}}", 8),
    "merge_one_often": lambda: VARIABLES + "  a: &a {x: 1}\n  b: {<<: [" + "*a," * 90_000 + "]}\n",
    "merge_growing": lambda: lines(
        "  a{next}: &a{next} {{<<: *a{0}, k{0}: 1}}\n", VARIABLES + "  a0: &a0 {x: 1}\n", 20_000
    ),
    "merge_wide": lambda: lines(
        "  b{}: {{<<: *w}}\n",
        VARIABLES + "  w: &w {" + "".join(f"k{i}: 1, " for i in range(90)) + "}\n",
        1_080,
    ),
    "many_tags": lambda: "name: a\nvariables: [" + "!a b," * (SIZE // 5) + "]",
    "long_tag": lambda: "name: !" + "a" * SIZE + " b\n",
    "many_directives": lambda: "%TAG ! tag:x\n" * (SIZE // 13) + "---\nname: a\n",
    "many_tag_directives": lambda: lines("%TAG !a{}! tag:x\n", "") + "---\nname: a\n",
    "many_documents": lambda: "---\n" * (SIZE // 4),
    "comments": lambda: "name: a\n" + "#\n" * (SIZE // 2),
    "blank_lines": lambda: "name: a\n" + "\n" * SIZE,
    "spaces": lambda: "name: a\n" + " " * SIZE,
    "tabs": lambda: "name: a\n" + "\t" * SIZE,
    "control_characters": lambda: "name: a\n" + "\x01" * SIZE,
    "error_in_the_last_line": lambda: "name: a\n" + "#\n" * (SIZE // 2) + "x: @a\n",
    "error_in_a_long_line": lambda: "name: a\nowner: '" + "x" * SIZE + "' y: @\n",
    # One scalar
    "long_name": lambda: "name: " + "x" * SIZE + "\n",
    "long_owner": lambda: "name: a\nowner: '" + "x" * SIZE + "'\n",
    "long_unicode": lambda: "name: a\nowner: '" + "\u00e9" * (SIZE // 2) + "'\n",
    "long_escapes": lambda: 'name: a\nowner: "' + "\\x41" * (SIZE // 4) + '"\n',
    "long_key": lambda: "? " + "x" * SIZE + "\n: 1\n",
    "long_block": lambda: "name: a\nowner: |\n" + "  x\n" * (SIZE // 4),
    "long_folded": lambda: "name: a\nowner: >\n" + "  x\n\n" * (SIZE // 5),
    "long_colons": lambda: "name: a\nowner: " + "a:" * (SIZE // 2),
    "long_digits": lambda: "name: a\nvariables: {a: " + "9" * SIZE + "}\n",
    "long_image": lambda: "name: a\nimages:\n- image: " + "a" * SIZE + "!\n",
    "long_image_of_dashes": lambda: "name: a\nimages:\n- image: " + "a-" * (SIZE // 2) + "!\n",
    "long_image_of_parts": lambda: "name: a\nimages:\n- image: " + "a/" * (SIZE // 2) + "!\n",
    "long_python_version": lambda: (
        "name: a\nimages:\n- {image: a, source: ., python_version: '3." + "1" * SIZE + "'}\n"
    ),
    "long_source": lambda: "name: a\nimages:\n- {image: a, source: '" + "../a/" * 200_000 + "'}\n",
    "long_endpoint": lambda: (
        "name: a\nservices:\n- service: s\n  image: i\n  source: .\n  endpoints:\n"
        f"  - {{endpoint: /{'a/' * 250_000}, module: {'a.' * 200_000}b, function: {'f' * 99_999}}}"
    ),
    "long_schedule": lambda: NO_TASKS + "  schedule: '" + "1," * (SIZE // 2) + " * * * *'\n",
    "long_schedule_of_stars": lambda: NO_TASKS + "  schedule: '" + "* " * (SIZE // 2) + "'\n",
    "long_when": lambda: one_task("cmd: x, when: '" + "a == " * (SIZE // 5) + "'"),
    "long_when_of_dots": lambda: one_task("cmd: x, when: '" + "a." * (SIZE // 2) + "! == 1'"),
    "long_date": lambda: NO_TASKS + "  start_date: '" + "2" * SIZE + "'\n",
    "long_timezone": lambda: NO_TASKS + "  timezone: '" + "A/" * (SIZE // 2) + "'\n",
    "long_volume": lambda: "name: a\nvolumes:\n- volume: " + "a-" * (SIZE // 2) + "\n",
    "open_braces": lambda: one_task("cmd: '" + "{{ " * (SIZE // 3) + "'"),
    "open_braces_known_now": lambda: "name: a\nowner: '" + "{{ " * (SIZE // 3) + "'\n",
    "open_braces_flag": lambda: "name: a\nalways_run: '" + "{{ " * (SIZE // 3) + "'\n",
    "template_blocks_in_one": lambda: "name: a\nowner: '" + "{% a %}" * (SIZE // 7) + "'\n",
    # Variables and placeholders
    "many_variables": lambda: lines("  v{0}: x{0}\n", VARIABLES),
    "many_variables_unknown": lambda: lines("  v{0}: '{{{{ w{0} }}}}'\n", VARIABLES),
    "many_empty_variables": lambda: "name: a\nvariables: {" + lines("k{},", "") + "}",
    "chain_of_5000": lambda: lines(
        "  v{0}: '{{{{ v{next} }}}} " + "x" * 150 + "'\n", VARIABLES + "  v5000: end\n", 5_000
    ) + "owner: '{{ v0 }}'\n",
    "chain_of_40000": lambda: lines(
        "  v{0}: '{{{{ v{next} }}}}'\n", VARIABLES + "  v40000: end\n", 40_000
    ) + "owner: '{{ v0 }}'\n",
    "ring_of_40000": lambda: ring("  v{0}: '{{{{ v{next} }}}}'\n", VARIABLES, 40_000),
    "many_rings": lambda: lines(
        "  v{0}: '{{{{ w{0} }}}}'\n  w{0}: '{{{{ v{0} }}}}'\n", VARIABLES, 20_000
    ),
    "every_variable_every_other": lambda: lines(
        "  v{}: '" + "".join(f"{{{{{{{{ v{i} }}}}}}}}" for i in range(250)) + "'\n", VARIABLES, 250
    ),
    "exponential": lambda: lines(
        "  v{next}: '{{{{ v{0} }}}}{{{{ v{0} }}}}'\n", VARIABLES + "  v0: xxxxxxxx\n", 25_000
    ) + "owner: '{{ v60 }}'\n",
    "many_long_values": lambda: lines(
        "  v{next}: '{{{{ v0 }}}}{0}'\n", VARIABLES + "  v0: " + "x" * 65_000 + "\n", 30_000
    ),
    "long_value_used_often": lambda: (
        VARIABLES + "  v: " + "x" * 65_000 + NO_TASKS[7:] + "  tags: [" + "'{{ v }}'," * 75_000
        + "]\n"
    ),
    "long_value_in_texts": lambda: (
        VARIABLES + "  v: " + "x" * 65_000 + NO_TASKS[7:] + "  tags: [" + "'a {{ v }}'," * 75_000
        + "]\n"
    ),
    "many_unknown_names": lambda: lines("  - '{{{{ w{} }}}}'\n", NO_TASKS + "  tags:\n", 50_000),
    "many_misspelt_names": lambda: lines(
        "  - '{{{{ wariable_{} }}}}'\n",
        lines("  variable_{}: 1\n", VARIABLES, 25_000) + NO_TASKS[8:] + "  tags:\n",
        20_000,
    ),
    "many_placeholders": lambda: one_task("cmd: '" + "{{ a }}" * (SIZE // 7) + "'"),
    "many_different_placeholders": lambda: one_task("cmd: '" + lines("{{{{ a{} }}}}", "") + "'"),
    "many_misspelt_placeholders": lambda: (
        lines("  variable_{}: 1\n", VARIABLES, 20_000)
        + one_task("cmd: '" + lines("{{{{ wariable_{} }}}}", "", 30_000) + "'")[8:]
    ),
    "many_unknown_outputs": lambda: one_task("cmd: '" + lines("{{{{ tasks.a{}.b }}}}", "") + "'"),
    "many_template_blocks": lambda: (
        NO_TASKS + "  tags: [" + "'{% a %}'," * (SIZE // 10) + "]\n"
    ),
    # Sections
    "default_for_every_task": lambda: lines(
        "  - {{task: t{}, " + TASK + "}}\n", BIG_DEFAULT + TASKS[len(IMAGE):], 15_000
    ),
    "default_merged_into_every_task": lambda: lines(
        "  - {{task: t{}, " + TASK + ", env_vars: {{a: b}}}}\n",
        BIG_DEFAULT + TASKS[len(IMAGE):],
        12_000,
    ),
    "tasks_around_every_pipeline": lambda: lines(
        "- {{pipeline: p{}, tasks: [{{task: a, " + TASK + "}}]}}\n",
        lines(
            "  - {{task: t{}, " + TASK + "}}\n",
            IMAGE + "pipeline_defaults:\n  before_tasks:\n",
            10_000,
        ) + "pipelines:\n",
        9_000,
    ),
    "chain_of_tasks": lambda: lines(
        "  - {{task: t{next}, " + TASK + ", depends_on: [t{0}], description: '" + "d" * 120
        + "'}}\n",
        TASKS + "  - {task: t0, image: i, cmd: x}\n",
        5_000,
    ),
    "chain_of_outputs": lambda: lines(
        "  - {{task: t{next}, image: i, cmd: '{{{{ tasks.t0.o }}}}', outputs: [o], description: '"
        + "d" * 100 + "'}}\n",
        TASKS + "  - {task: t0, image: i, cmd: x, outputs: [o]}\n",
        5_000,
    ),
    "ring_of_tasks": lambda: ring(
        "  - {{task: t{0}, " + TASK + ", depends_on: [t{next}]}}\n", TASKS, 15_000
    ),
    "many_rings_of_tasks": lambda: lines(
        "  - {{task: a{0}, " + TASK + ", depends_on: [b{0}]}}\n"
        "  - {{task: b{0}, " + TASK + ", depends_on: [a{0}]}}\n",
        TASKS,
        7_500,
    ),
    "tasks_that_need_all": lambda: depends_on_all(560),
    "many_unknown_tasks": lambda: lines(
        "  - {{task: task_{0}, " + TASK + ", depends_on: [tusk_{0}]}}\n", TASKS
    ),
    "many_duplicate_tasks": lambda: TASKS + f"  - {{task: t, {TASK}}}\n" * 30_000,
    "many_tasks_with_a_typo": lambda: lines(
        "  - {{task: t{}, " + TASK + ", enviroment: {{}}}}\n", TASKS
    ),
    "many_wrong_types": lambda: TASKS + "  - {task: [], image: {}, cmd: 5, type: []}\n" * 20_000,
    "many_unknown_types": lambda: TASKS + "  - {type: pythn, x: 5}\n" * 38_000,
    "many_pipelines": lambda: lines(
        "- {{pipeline: p{}, schedule: '@daily', tasks: [{{task: a, " + TASK + "}}]}}\n",
        IMAGE + "pipelines:\n",
    ),
    "many_misspelt_images": lambda: lines(
        "  - {{task: t{0}, image: imoge_{0}, cmd: x}}\n",
        lines("- {{image: image_{}, source: .}}\n", "name: a\nimages:\n", 12_000)
        + "pipelines:\n- pipeline: p\n  tasks:\n",
        11_000,
    ),
    "many_matrices": lambda: lines(
        "  - {{task: t{}, " + TASK + ", matrix: {{"
        + ", ".join(f"{axis}: [1,2,3,4,5,6,7,8,9,10]" for axis in "abc") + "}}}}\n",
        TASKS,
    ),
    "many_copies": lambda: lines("  - {{task: t{}, " + TASK + ", executors: 1000}}\n", TASKS),
    "huge_matrix": lambda: one_task("cmd: x, matrix: {" + lines("a{}: [1,2], ", "") + "}"),
    "many_params": lambda: NO_TASKS + "  params: {" + lines("a{}: {{type: string}}, ", "") + "}\n",
    "many_short_forms": lambda: lines(
        "- {{service: s{}, image: i, source: ., endpoints: "
        "[{{endpoint: /a, module: m, function: f}}]}}\n",
        "name: a\nservices:\n",
    ),
    "many_mounts": lambda: lines(
        "    - {{volume: v, path: /a{}}}\n",
        "volumes: [{volume: v, local: {path: .}}]\n"
        + TASKS + "  - task: t\n    image: i\n    cmd: x\n    mounts:\n",
    ),
    "many_misspelt_mounts": lambda: lines(
        "    - {{volume: valume{0}, path: /a{0}}}\n",
        lines("- {{volume: volume{}, local: {{path: .}}}}\n", "volumes:\n", 9_000)
        + TASKS + "  - task: t\n    image: i\n    cmd: x\n    mounts:\n",
        12_000,
    ),
    "many_executors": lambda: lines(
        "- {{executor: e{}, type: kubernetes, request_cpu: 1}}\n", "name: a\nexecutors:\n"
    ),
}  # fmt: skip


def measure(name: str) -> str:
    """A line with the seconds of processor time and the peak memory that one shape takes."""
    from liminal.compiler import compile_path
    from liminal.plugins import discover

    text, plugins = SHAPES[name](), discover()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "liminal.yml")
        file.write_text("name: warm\n")
        compile_path(folder, {}, plugins)
        file.write_text(text)
        before = time.process_time()
        findings = compile_path(folder, {}, plugins).findings
        seconds = time.process_time() - before
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    first = (
        f"{findings[0].origin.line} {findings[0].code}: {findings[0].message}"[:70]
        if findings
        else ""
    )
    return (
        f"{len(text) / 1e6:5.2f} MB {seconds:7.2f} s {megabytes:6.0f} MB {len(findings):7}  {first}"
    )


def main(names: list[str]) -> None:
    if len(names) == 1:
        resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
        resource.setrlimit(resource.RLIMIT_CPU, (30, 30))
        print(f"{names[0]:32} {measure(names[0])}")
        return
    for name in names or SHAPES:
        child = subprocess.run([sys.executable, __file__, name], capture_output=True, text=True)
        last = "".join(child.stderr.splitlines()[-1:])
        print(child.stdout.rstrip() or f"{name:32} FAILED {child.returncode} {last}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
