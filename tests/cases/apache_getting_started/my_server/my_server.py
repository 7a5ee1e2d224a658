def myendpoint1func(body):
    return body
