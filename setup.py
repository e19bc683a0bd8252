"""Packaging. The lower bounds are what the tests ran with; ``requirements/constraints.txt`` pins all of it for CI."""

from pathlib import Path

from setuptools import find_packages, setup

setup(
    name="otter",
    version="0.1.0",
    description="An autoscaler for OpenStack-like clouds: groups of servers stay at the size their owners ask for",
    long_description=Path("README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=[*find_packages(include=["otter", "otter.*"]), "twisted.plugins"],
    package_dir={"twisted.plugins": "otter/plugins"},
    package_data={"otter.store.cassandra": ["versions/*.cql"]},
    install_requires=[
        "attrs>=26.1",
        "cronsim>=2.8",
        "effect>=1.1",
        "jsonschema>=4.26",
        "klein>=24.8",
        "pyrsistent>=0.20",
        "treq>=26.7",
        "twisted>=26.10",
        "werkzeug>=3.1",
        "zope.interface>=8.7",
    ],
    extras_require={
        "cassandra": ["cassandra-driver>=3.30"],
        "mutants": ["cosmic-ray>=8.7"],
        "test": [
            "cassandra-driver>=3.30",
            "hypothesis>=6.170",
            "kazoo>=2.11",
            "mypy>=2.4",
            "mypy-zope>=1.0.17",
            "openapi-spec-validator>=0.9",
            "pytest>=9.2",
            "pytest-xdist>=3.8",
            "ruff>=0.17",
            "tox>=4.67",
            "txkazoo==0.0.5",
        ],
        "txkazoo": ["kazoo>=2.11", "txkazoo==0.0.5"],
        "zookeeper": ["kazoo>=2.11"],
    },
    entry_points={"console_scripts": ["otter-store = otter.__main__:store", "otter-schema = otter.__main__:schema"]},
)
