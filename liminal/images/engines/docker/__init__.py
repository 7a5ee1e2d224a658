"""Engine ``docker``: images that a Docker engine, or Podman, builds."""
