"""Reads questions from a file, a JSON value a line, and prints what `packaging` says, in the same way."""

import json
import sys

from packaging import _manylinux, _musllinux, tags
from packaging.markers import InvalidMarker, Marker, UndefinedComparison
from packaging.specifiers import InvalidSpecifier, Specifier
from packaging.version import InvalidVersion, Version


def version(text):
    try:
        return str(Version(text))
    except InvalidVersion:
        return None


def order(left, right):
    left, right = Version(left), Version(right)
    return (left > right) - (left < right)


def specifier(clause, version):
    try:
        return Specifier(clause).contains(version, prereleases=True)
    except InvalidSpecifier:
        return None


def marker(text, environment, extras):
    try:
        return Marker(text).evaluate({**environment, "extra": set(extras)})
    except InvalidMarker:
        return "invalid"
    except UndefinedComparison:
        return "undefined"


def tag_list(minor, libc, version, machine):
    if libc == "manylinux":
        _manylinux._have_compatible_abi = lambda executable, archs: True
        _manylinux._is_compatible = lambda arch, version: True
        _manylinux._get_glibc_version = lambda: tuple(version)
        platforms = list(_manylinux.platform_tags([machine]))
    else:
        _musllinux._get_musl_version = lambda executable: _musllinux._MuslVersion(*version)
        platforms = list(_musllinux.platform_tags([machine]))
    # packaging has it in front; uv, which decides for an index's wheels, has it behind
    platforms.append(f"linux_{machine}")
    abi = f"cp3{minor}"
    found = list(tags.cpython_tags((3, minor), [abi], platforms))
    found += tags.compatible_tags((3, minor), abi, platforms)
    # what stands twice counts where it stands first
    return list(dict.fromkeys(str(tag) for tag in found))


ANSWERS = {
    "version": version,
    "order": order,
    "specifier": specifier,
    "marker": marker,
    "tags": tag_list,
}

with open(sys.argv[1], encoding="utf-8") as questions:
    for line in questions:
        kind, *arguments = json.loads(line)
        print(json.dumps(ANSWERS[kind](*arguments)))
