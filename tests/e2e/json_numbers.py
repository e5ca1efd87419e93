"""Every leaf of a JSON value, by its path."""


def numbers(value, name=""):
    if isinstance(value, dict):
        for key in value:
            yield from numbers(value[key], f"{name}.{key}")
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from numbers(item, f"{name}[{i}]")
    else:
        yield name, value
