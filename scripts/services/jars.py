"""What the servers are made of: Java, and the jars that pom.xml names, which Maven fetches once into the cache."""

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from scripts.services.settings import Problem, Settings, say

HERE = Path(__file__).resolve().parent
JAVA_VERSION = "17"
"""Cassandra 5.0 knows 11 too, but these options were tried with 17; it does not start with newer ones."""
JAVA_PACKAGE, MAVEN_PACKAGE = "openjdk-17-jre-headless", "maven"


def missing_packages(settings: Settings) -> tuple[str, ...]:
    """The Debian packages without which nothing starts on this machine; Maven is needed only while the cache is empty."""
    java = () if found_java(settings) else (JAVA_PACKAGE,)
    maven = () if folder_of(settings).is_dir() or shutil.which("mvn") else (MAVEN_PACKAGE,)
    return java + maven


def how_to_get(packages: tuple[str, ...]) -> str:
    """The command, for Debian 12."""
    return f"apt-get install --no-install-recommends {' '.join(packages)}"


def found_java(settings: Settings) -> str | None:
    """The first ``java`` of the right version."""
    usual = [shutil.which("java") or "", *sorted(map(str, Path("/usr/lib/jvm").glob(f"*-{JAVA_VERSION}-*/bin/java")))]
    candidates = [settings.java] if settings.java else usual
    return next((java for java in candidates if java and version_of(java) == JAVA_VERSION), None)


@cache
def version_of(java: str) -> str | None:
    """Such as ``17``; None if it is no Java at all."""
    try:
        done = output_of([java, "-version"])
    except OSError:
        return None
    match = re.search(r'version "(\d+)', done.stdout)
    return match[1] if match else None


def folder_of(settings: Settings) -> Path:
    """Where the jars of this pom.xml are, or will be."""
    return settings.cache / f"lib-{hashlib.sha256((HERE / 'pom.xml').read_bytes()).hexdigest()[:12]}"


def install(settings: Settings) -> Path:
    """The folder of the jars, which are fetched if they are not there. :raises Problem:"""
    packages = missing_packages(settings)
    if packages:
        raise Problem(
            f"Java {JAVA_VERSION} is needed, and Maven to fetch the jars. To get what is missing, on Debian:\n"
            f"  {how_to_get(packages)}"
        )
    folder = folder_of(settings)
    if not folder.is_dir():
        say(f"Fetching Cassandra and ZooKeeper into {folder} (once; 70 MB, a minute or less)")
        settings.cache.mkdir(parents=True, exist_ok=True)
        fetch(folder)
    return folder


def fetch(folder: Path) -> None:
    """Renamed when it is complete: a folder filled by half is never taken for a whole one."""
    new = folder.with_name(f".{folder.name}-{os.getpid()}")
    try:
        run_maven(new)
        new.rename(folder)
    except OSError:
        if not folder.is_dir():  # else somebody was faster
            raise
    finally:
        shutil.rmtree(new, ignore_errors=True)


def run_maven(folder: Path) -> None:
    copy = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={folder}"]
    command = ["mvn", "-q", "-B", "--strict-checksums", "-f", str(HERE / "pom.xml"), *copy]
    done = output_of(command)
    if done.returncode:
        raise Problem(f"Maven failed:\n{done.stdout[-3000:]}")


def output_of(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Errors among it. :raises OSError: there is no such command."""
    nothing, out, same = subprocess.DEVNULL, subprocess.PIPE, subprocess.STDOUT
    return subprocess.run(command, check=False, text=True, stdin=nothing, stdout=out, stderr=same)
