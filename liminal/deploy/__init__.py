"""Compiled applications in a DAGs folder: whole releases, of which one is current.

`layout` says where everything lies, `release` makes a release of an application, and `install` puts
it there. Airflow's side reads it in `liminal.runners.airflow.load`.
"""
