"""The packages that launch/container/Containerfile installs are those that the program needs to run: container_test.py BINARY."""
import os
import re
import subprocess
import sys

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
SKIPPED = 77


def output_of(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def release():
    try:
        with open("/etc/os-release") as file:
            lines = dict(line.rstrip().split("=", 1) for line in file if "=" in line)
        return lines.get("ID", "").strip('"'), lines.get("VERSION_ID", "").strip('"')
    except OSError:
        return "", ""


def last_stage():
    """The packages named where the image is made that people run, and the release that it begins with."""
    with open(os.path.join(ROOT, "launch", "container", "Containerfile")) as file:
        text = file.read().replace("\\\n", " ")
    start, stage = re.findall(r"^FROM (\S+)(.*?)(?=^FROM |\Z)", text, re.S | re.M)[-1]
    named = re.search(r"apt-get install((?: [-a-z0-9.+]+| )+)", stage).group(1).split()
    return start, [name for name in named if not name.startswith("-")]


def with_what_they_need(packages):
    needs = {}
    for line in output_of("dpkg-query", "-W", "-f", "${Package}\t${Pre-Depends}, ${Depends}\n").splitlines():
        name, text = line.split("\t")
        needs[name] = {re.split(r"[ (:]", one.strip())[0] for one in re.split(r"[,|]", text) if one.strip()}
    found, waiting = set(), list(packages)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += needs.get(name, ())
    return found


def owner_of(library):
    for path in (library, os.path.realpath(library), os.path.realpath(library).removeprefix("/usr")):
        done = subprocess.run(["dpkg-query", "-S", path], capture_output=True, text=True)
        if done.returncode == 0:
            return done.stdout.split(":")[0]
    return None


def main():
    if release() != ("debian", "12"):
        print("skipped: the image is Debian 12, and names of packages differ here")
        return SKIPPED
    start, named = last_stage()
    assert start == "debian:bookworm" and len(named) > 10, (start, named)
    installed = with_what_they_need(named)
    libraries = re.findall(r"=> (/\S+)", output_of("ldd", sys.argv[1]))
    assert any("libtorch" in one for one in libraries), libraries
    owners = {one: owner_of(one) for one in libraries if not re.search(r"/(torch|nvidia|cuda[^/]*)/", os.path.realpath(one))}
    assert len(set(owners.values())) > 10, owners
    missing = {library: owner for library, owner in owners.items() if owner is None or owner not in installed}
    assert not missing, f"the image would lack {missing}"
    loaded = {"openmpi-bin", "openssh-client", "fonts-dejavu-core"}  # by name, at run time
    idle = [name for name in named if name not in set(owners.values()) | loaded]
    assert not idle, f"nothing needs {idle}"
    return 0


if __name__ == "__main__":
    sys.exit(main())
