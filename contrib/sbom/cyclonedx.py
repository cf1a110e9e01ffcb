#!/usr/bin/env python3
"""Write a software bill of materials (CycloneDX 1.5, JSON) of the program to standard output.

It lists every crate that is compiled into the program for one target, with version, license, checksum and what it depends
on. It reads Cargo.lock through `cargo metadata` and needs no network. The same lock file gives the same bytes.

    contrib/sbom/cyclonedx.py [TARGET]
"""

import hashlib
import json
import pathlib
import subprocess
import sys
import tomllib
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[2]


def metadata(target):
    command = ["cargo", "metadata", "--locked", "--offline", "--format-version", "1", "--filter-platform", target]
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)


def host():
    lines = subprocess.run(["rustc", "-vV"], check=True, capture_output=True, text=True).stdout.splitlines()
    return next(line.removeprefix("host: ") for line in lines if line.startswith("host: "))


def compiled(nodes, root):
    """The crates that the program needs: not those that only its tests need."""
    found, open_ones = {}, [root]
    while open_ones:
        name = open_ones.pop()
        if name in found:
            continue
        kinds = lambda dep: {kind["kind"] for kind in dep["dep_kinds"]}
        found[name] = sorted(dep["pkg"] for dep in nodes[name]["deps"] if kinds(dep) & {None, "build"})
        open_ones += found[name]
    return found


def purl(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def component(package, checksums):
    entry = {
        "type": "library",
        "bom-ref": purl(package),
        "name": package["name"],
        "version": package["version"],
        "purl": purl(package),
    }
    if package["license"]:
        entry["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    if package["repository"]:
        entry["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    checksum = checksums.get((package["name"], package["version"]))
    if checksum:
        entry["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    return entry


def main():
    target = sys.argv[1] if len(sys.argv) > 1 else host()
    read = metadata(target)
    packages = {package["id"]: package for package in read["packages"]}
    root = next(id for id, package in packages.items() if package["name"] == "cratedigger")
    needed = compiled({node["id"]: node for node in read["resolve"]["nodes"]}, root)
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    checksums = {(entry["name"], entry["version"]): entry.get("checksum") for entry in lock["package"]}
    parts = sorted((packages[id] for id in needed if id != root), key=purl)
    bom = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": component(packages[root], checksums) | {"type": "application"},
            "properties": [{"name": "cargo:target", "value": target}],
        },
        "components": [component(package, checksums) for package in parts],
        "dependencies": sorted(
            (
                {"ref": purl(packages[id]), "dependsOn": sorted({purl(packages[dep]) for dep in deps})}
                for id, deps in needed.items()
            ),
            key=lambda entry: entry["ref"],
        ),
    }
    digest = hashlib.sha256(json.dumps(bom, sort_keys=True).encode()).hexdigest()
    bom["serialNumber"] = f"urn:uuid:{uuid.UUID(digest[:32])}"
    json.dump(bom, sys.stdout, indent=2)
    print()


main()
