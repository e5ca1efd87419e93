"""Archives that are changed after they were written."""
import json
import zipfile


def repacked(source, target, edit=lambda description: description, drop=(), entries=lambda name, data: data):
    """A copy with another ddls.json (a dictionary, a text, or None for none), without entries of these endings; entries(name, data): what the
    others hold."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for entry in old.infolist():
            data = old.read(entry)
            if entry.filename.endswith("ddls.json"):
                data = edit(json.loads(data))
                if data is None:
                    continue
                data = data if isinstance(data, str) else json.dumps(data)
            if not entry.filename.endswith(tuple(drop)):
                new.writestr(entry.filename, entries(entry.filename, data))


def with_value(*keys_and_value):
    *keys, value = keys_and_value

    def edit(description):
        place = description
        for key in keys[:-1]:
            place = place[key]
        if value is None:
            del place[keys[-1]]
        else:
            place[keys[-1]] = value
        return description
    return edit
