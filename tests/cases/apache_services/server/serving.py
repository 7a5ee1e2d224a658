def predict(input_json):
    return input_json


def healthcheck(_):
    return "ok"


def version(_):
    return "1"
