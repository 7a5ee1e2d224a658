"""Liminal: from one ``liminal.yml`` to images, Airflow DAGs and HTTP services."""

__version__ = "0.1.0"
