"""service.json: defaults, and every fault named by its key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from liminal.serving.config import ConfigError, read_config

ENDPOINT = {"endpoint": "/p", "module": "serving", "function": "predict"}


def read(tmp_path: Path, **fields: object):
    path = tmp_path / "service.json"
    path.write_text(json.dumps({"service": "iris", "endpoints": [ENDPOINT], **fields}))
    return read_config(path, cpus=3)


def test_defaults_are_filled_in(tmp_path):
    config = read(tmp_path, workers=None)
    assert (config.workers, config.threads) == (3, 32)
    assert config.endpoints[0].methods == ("GET", "POST")
    assert config.endpoints[0].batch is None


def test_values_are_taken(tmp_path):
    endpoint = {**ENDPOINT, "methods": ["post"], "batch": {"max_size": 8, "max_wait_ms": 2}}
    config = read(tmp_path, workers=5, request_timeout_seconds=0.5, endpoints=[endpoint])
    assert (config.workers, config.request_timeout_seconds) == (5, 0.5)
    assert config.endpoints[0].methods == ("POST",)
    assert config.endpoints[0].batch is not None
    assert config.endpoints[0].batch.max_size == 8


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"werkers": 1}, 'unknown key "werkers"'),
        ({"workers": 0}, '"workers": expected a whole number of at least 1, found 0'),
        ({"workers": True}, '"workers": expected a whole number'),
        ({"workers": "2"}, '"workers"'),
        ({"max_body_mb": -1}, '"max_body_mb": expected a number above 0'),
        ({"service": ""}, '"service": expected a text'),
        ({"endpoints": []}, '"endpoints": expected a list with at least one entry'),
        ({"endpoints": [{**ENDPOINT, "endpoint": "p"}]}, 'begins with "/"'),
        ({"endpoints": [{**ENDPOINT, "x": 1}]}, 'endpoints[0]: unknown key "x"'),
        ({"endpoints": [{"endpoint": "/p"}]}, 'endpoints[0]: the key "module" is missing'),
        ({"endpoints": [ENDPOINT, ENDPOINT]}, '"/p" is there twice'),
        ({"endpoints": [{**ENDPOINT, "methods": ["FETCH"]}]}, '"FETCH" is not one of'),
        ({"endpoints": [{**ENDPOINT, "batch": {"size": 1}}]}, 'batch: unknown key "size"'),
    ],
)
def test_fault_names_its_key(tmp_path, fields, message):
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, **fields)
    assert message in str(caught.value)


def test_file_that_cannot_be_read_is_a_fault(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(tmp_path / "none.json", cpus=1)
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(tmp_path / "bad.json", cpus=1)
