"""Recipe -> the text of a Dockerfile. Pure: what must be read has been read before.

The context that the text counts on::

    install/    the requirement files, and the local packages that they name
    site/       what the image type adds, one folder each
    ours/       files of ours, for `layout.OURS`
    source/     the user's source

Three stages: ``system`` has Debian's packages, ``build`` on top of it everything that only
installing needs (an installer, compilers, caches), and the image gets of that what it runs. The
comment above an instruction is the name of the step, for who follows or reads a build.
"""

import json
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from liminal.errors import BuildError
from liminal.images.engines.docker.layout import (
    INIT,
    LABEL_NAMED_USER,
    OURS,
    SECRETS,
    SITE,
    UID,
    USER_HOME,
    VENV,
    WORKDIR,
)
from liminal.images.recipe import Recipe

_UV = "uv>=0.13,<1"
_DUMB_INIT = "dumb-init>=1.2.5,<2"
_CACHE = "/var/cache/liminal"
_TRUSTED = "/run/liminal/trusted.pem"
_APT_CACHE = (
    "type=cache,id=liminal-apt,target=/var/cache/apt,sharing=locked",
    "type=cache,id=liminal-apt-lists,target=/var/lib/apt,sharing=locked",
)

_PIP = f"python3 -m pip -q --disable-pip-version-check --no-input --cache-dir {_CACHE}"

SERVED = "service.json"
"""In the folder ``ours``: what the image serves where nobody says otherwise."""

LISTER = "liminal/list_dependencies.py"
"""In the folder ``install``: `liminal.images.requirements.DEPENDENCIES_SCRIPT`."""

VARIABLES = "liminal-variables"
"""Id of the secret with the installers' variables, as lines of a shell script."""

PIP_CONF = "liminal-pip-conf"
CA_BUNDLE = "liminal-ca-bundle"

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ONE_LINE = re.compile(r"[^\r\n\0]*")
_BASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]*")
_VERSION = re.compile(r"\d+(\.\d+)*")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]*(=[A-Za-z0-9.+:~-]+)?")
_ID = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """How the requirements are installed.

    Attributes:
        files: requirement files, as paths in the context's folder ``install``.
        with_pip: pip does it, and not uv, because only pip reads what the user configured.
        index: tells package indexes apart, for what one gave is not taken for another's; "" is the
            default one.
        variables: whether there is a secret with variables for the installer.
        packages: whether local packages are among them: building those writes into their folders.
        listed: a pyproject.toml among `files` whose dependencies must be listed for pip.
    """

    files: tuple[str, ...] = ()
    with_pip: bool = False
    index: str = ""
    variables: bool = False
    packages: bool = False
    listed: str | None = None


def dockerfile(recipe: Recipe, base: str, installation: Installation, *, buildkit: bool) -> str:
    """The Dockerfile of the recipe.

    Args:
        recipe: one without a Dockerfile of its own.
        base: the image to begin with.
        installation: what is installed, and how.
        buildkit: whether the builder knows mounts; without them there are no caches and no
            secrets, and what is installed from is copied into a stage that is thrown away.

    Raises:
        BuildError: a value would be more than a value in a Dockerfile.
    """
    _check(recipe, base, installation)
    blocks = _Text(recipe, base, installation, buildkit).blocks()
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def needs_secrets(recipe: Recipe, installation: Installation) -> bool:
    """Whether building takes something that must not stay in the image."""
    return bool(
        recipe.pip_conf or recipe.ca_bundle or recipe.build_secrets or installation.variables
    )


def _check(recipe: Recipe, base: str, installation: Installation) -> None:
    """The compiler has found most of these; a plug-in's image type may bring others."""
    for what, values, allowed in (
        ("base_image", (base,), _BASE),
        ("python_version", (recipe.python_version or "3",), _VERSION),
        ("system_packages", recipe.system_packages, _PACKAGE),
        ("build_packages", recipe.build_packages, _PACKAGE),
        ("the name of a requirement file", installation.files, _ONE_LINE),
        ("the name of a variable", recipe.env_vars, _NAME),
        ("env_vars", recipe.env_vars.values(), _ONE_LINE),
        ("build_cmd", (recipe.build_cmd or "",), _ONE_LINE),
        ("the id of a secret", recipe.build_secrets, _ID),
    ):
        for value in values:
            if not allowed.fullmatch(value):
                raise BuildError(f'image "{recipe.name}": {what} cannot be {json.dumps(value)}')


@dataclass(frozen=True, slots=True)
class _Text:
    recipe: Recipe
    base: str
    installation: Installation
    buildkit: bool

    def blocks(self) -> Iterator[list[str]]:
        """The instructions, in blocks that belong together."""
        yield [f"# Image {json.dumps(self.recipe.name)}, made by Liminal of a liminal.yml."]
        yield [f"FROM {self.base} AS system", "USER 0"]
        yield self._apt("installing the system packages", self.recipe.system_packages)
        yield self._folders()
        yield ["FROM system AS build"]
        yield self._apt("installing the build packages", self.recipe.build_packages)
        yield self._tools()
        yield self._requirements()
        yield self._additions()
        yield ["FROM system AS image"]
        yield [f"COPY --from=build {folder} {folder}" for folder in (OURS, VENV)]
        yield self._environment()
        yield self._source()
        yield self._compiled()
        yield self._start()

    def _run(self, title: str, commands: Sequence[str], mounts: Sequence[str] = ()) -> list[str]:
        """A RUN instruction; each command only after the success of the one before."""
        separator = " \\\n    "
        mounted = [f"--mount={mount}" for mount in mounts] if self.buildkit else []
        first, *others = commands
        parts = [*mounted, first, *(f"&& {command}" for command in others)]
        return [f"# {title}", f"RUN {separator.join(parts)}"]

    def _apt(self, title: str, packages: tuple[str, ...]) -> list[str]:
        if not packages:
            return []
        options = "-q"
        if self.recipe.ca_bundle is not None:
            options += f" -o Acquire::https::CaInfo={_TRUSTED}"
        names = " ".join(packages)
        # Debian's images throw away what they download; the cache is to keep it.
        before = ["rm -f /etc/apt/apt.conf.d/docker-clean"] if self.buildkit else []
        after = [] if self.buildkit else ["rm -rf /var/lib/apt/lists/*"]
        commands = [
            *self._trust(),
            *before,
            f"apt-get {options} update",
            "DEBIAN_FRONTEND=noninteractive "
            f"apt-get {options} install -y --no-install-recommends {names}",
            *after,
        ]
        return self._run(title, commands, (*_APT_CACHE, *self._trust_mounts()))

    def _folders(self) -> list[str]:
        """The folders that whoever runs the image may write to."""
        commands = (
            f"mkdir -p {USER_HOME} {WORKDIR}",
            f"chown {UID}:0 {USER_HOME} {WORKDIR}",
            f"chmod 775 {USER_HOME} {WORKDIR}",
            f'echo "liminal:x:{UID}:0::{USER_HOME}:/bin/sh" >> /etc/passwd',
        )
        return self._run("making the folders", commands)

    def _tools(self) -> list[str]:
        """The installer, which stays behind, and the init, which does not."""
        pip = f"{_PIP} install --no-compile"
        commands = [
            *self._right_python(),
            *self._prepare(),
            f"{pip} --target {OURS} '{_DUMB_INIT}'",
        ]
        if self.installation.files and not self.installation.with_pip:
            commands.append(f"{pip} --target /opt/uv '{_UV}'")
        return self._run("getting the installer", commands, self._mounts())

    def _right_python(self) -> list[str]:
        """A base image of the user's may have another Python than the one that is asked for."""
        wanted = self.recipe.python_version
        if wanted is None or self.recipe.base_image is None:
            return []
        code = (
            "import sys; found = '.'.join(map(str, sys.version_info[:3])); "
            f"sys.exit(not f'{{found}}.'.startswith('{wanted}.') and "
            f"f'the base image has Python {{found}}, not {wanted}')"
        )
        return [f'python3 -c "{code}"']

    def _requirements(self) -> list[str]:
        """The virtual environment, in a layer that changes only with what is installed."""
        installation = self.installation
        # A build_cmd may call pip, which the image has no other use for.
        pip = " --without-pip" if self.recipe.build_cmd is None else ""
        commands = [*self._prepare(), f"python3 -m venv{pip} {VENV}"]
        if not installation.files:
            return self._run("making the virtual environment", commands, self._mounts())
        commands += ["cd /tmp/install", *self._install()]
        writable = ",rw" if installation.packages else ""
        mounts = [*self._mounts(), f"type=bind,source=install,target=/tmp/install{writable}"]
        copy = [] if self.buildkit else ["COPY install /tmp/install"]
        return [*copy, *self._run("installing the requirements", commands, mounts)]

    def _install(self) -> Iterator[str]:
        files = [f"-r {_word(file)}" for file in self.installation.files]
        if not self.installation.with_pip:
            uv = "UV_SYSTEM_CERTS=1 /opt/uv/bin/uv pip install --no-progress --compile-bytecode"
            yield " ".join([uv, f"--link-mode copy --cache-dir {_CACHE} --python {VENV}", *files])
            return
        if self.installation.listed is not None:
            listed = "/tmp/dependencies.txt"  # noqa: S108 - in a stage of the build
            yield f"python3 {LISTER} {_word(self.installation.listed)} {listed}"
            files[0] = f"-r {listed}"
        yield " ".join([f"{_PIP} --python {VENV} install --compile", *files])

    def _additions(self) -> list[str]:
        lines = []
        if self.recipe.additions:
            commands = (
                f"cd {VENV}/lib/python3*/site-packages",
                f"echo {SITE} > liminal.pth",
                f"{VENV}/bin/python -m compileall -q {SITE}",
            )
            lines += [f"COPY site {SITE}", *self._run("adding the serving application", commands)]
        return lines if self.recipe.serves is None else [*lines, f"COPY ours {OURS}"]

    def _environment(self) -> list[str]:
        given = {name: _escaped(value) for name, value in sorted(self.recipe.env_vars.items())}
        variables = {
            "PATH": f"{VENV}/bin:$PATH",
            "HOME": USER_HOME,
            "VIRTUAL_ENV": VENV,
            "PYTHONUNBUFFERED": "1",
            **given,
        }
        return [f'ENV {name}="{value}"' for name, value in variables.items()]

    def _source(self) -> list[str]:
        copy = ("# copying the source", f"COPY --chown={UID}:0 source {WORKDIR}/")
        lines = [f"WORKDIR {WORKDIR}", *copy]
        command = self.recipe.build_cmd
        if command is None:
            return lines
        # Quoted, for a comment at its end, or a ";" in it, is its own business.
        commands = [*self._prepare(), "umask 002", f"sh -c {shlex.quote(command)}"]
        return [*lines, *self._run("running build_cmd", commands, self._mounts())]

    def _compiled(self) -> list[str]:
        # What is no Python, or an older one, is no error.
        compiled = f"umask 002; {VENV}/bin/python -m compileall -qq . || true"
        return [f"USER {UID}:0", *self._run("compiling the source", (compiled,))]

    def _start(self) -> list[str]:
        lines = [f'ENTRYPOINT ["{INIT}", "--"]']
        if self.recipe.named_user:
            lines.append(f'LABEL {LABEL_NAMED_USER}="true"')
        if self.recipe.serves is None:
            return [*lines, 'CMD ["python"]']
        words = ("python -m liminal_serving --host", "0.0.0.0", "--config")  # noqa: S104 - inside
        command = f"{' '.join(words)} {OURS}/{SERVED}"
        return [*lines, "EXPOSE 8080", f"CMD {json.dumps(command.split())}"]

    def _prepare(self) -> list[str]:
        """What makes the secrets count, before anything is installed."""
        commands = self._trust()
        if self.installation.variables:
            commands.append(f". {SECRETS}/{VARIABLES}")
        if self.recipe.pip_conf is not None:
            commands.append(f"export PIP_CONFIG_FILE={SECRETS}/{PIP_CONF}")
        if self.recipe.build_secrets:
            commands.append(f"export LIMINAL_BUILD_SECRETS={SECRETS}")
        if self.installation.index:
            # The content of a secret does not count for the cache of layers; this does.
            commands.append(f": packages of index {self.installation.index}")
        return commands

    def _trust(self) -> list[str]:
        """The certificates that the base trusts, and the user's, in a file that does not stay."""
        if self.recipe.ca_bundle is None:
            return []
        names = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
        there = "cat /etc/ssl/certs/ca-certificates.crt 2>/dev/null || true"
        return [
            f"{{ {there}; cat {SECRETS}/{CA_BUNDLE}; }} > {_TRUSTED}",
            "export " + " ".join(f"{name}={_TRUSTED}" for name in names),
        ]

    def _trust_mounts(self) -> list[str]:
        if self.recipe.ca_bundle is None:
            return []
        return ["type=tmpfs,target=/run/liminal", _secret(CA_BUNDLE)]

    def _mounts(self) -> list[str]:
        """What a step that installs sees: its cache, and the secrets."""
        index = f"-{self.installation.index}" if self.installation.index else ""
        mounts = [f"type=cache,id=liminal{index},target={_CACHE}", *self._trust_mounts()]
        if self.recipe.pip_conf is not None:
            mounts.append(_secret(PIP_CONF))
        if self.installation.variables:
            mounts.append(_secret(VARIABLES))
        return [*mounts, *(_secret(name) for name in sorted(self.recipe.build_secrets))]


def _secret(name: str) -> str:
    return f"type=secret,id={name},required=true"


def _word(path: str) -> str:
    """The path as one word of a shell."""
    return "'" + path.replace("'", "'\\''") + "'"


def _escaped(value: str) -> str:
    """The value between the double quotes of an ENV: nothing in it is replaced or ends them."""
    return re.sub(r'([\\"$])', r"\\\1", value)
