"""Where things are in an image that we make, which those who run it rely on."""

WORKDIR = "/app"
"""The copy of the source, which whoever is in group 0 may write to, as OpenShift has it."""

VENV = "/opt/venv"
"""The virtual environment with the requirements."""

OURS = "/opt/liminal"
"""What Liminal adds: the init, the serving application and what it is told."""

INIT = f"{OURS}/bin/dumb-init"
"""The init: it forwards signals to all that a command started, and reaps what that leaves."""

SITE = f"{OURS}/site"
"""A folder on Python's path, for what an image type adds."""

USER_HOME = "/home/liminal"

UID = 10001
"""No user of the host's: whoever runs the image may take any other, in group 0."""

SECRETS = "/run/secrets"
"""Where a build sees `build_secrets`, one file an id."""

LABEL_APP = "liminal.app"
LABEL_SOURCE_HASH = "liminal.source-hash"
LABEL_NAMED_USER = "liminal.named-user"
"""Of an image in which the user needs an entry in /etc/passwd, whoever it is."""

LABEL_BASE_NAME = "org.opencontainers.image.base.name"
LABEL_BASE_DIGEST = "org.opencontainers.image.base.digest"
