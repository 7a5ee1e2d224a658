"""The HTTP application that `python_server` images carry: a user's functions as a service.

This folder is copied as it stands into the user's image under the name `liminal_serving`, so it
imports nothing of the rest of Liminal, and only relatively within itself.

Three kinds of processes make one service:

- the *server* (`server.py`) starts Granian, takes the signals and decides the exit status;
- the *front* (`front.py`, Granian's only worker) speaks HTTP and holds the connections; it never
  runs a line of the user's code, so no function can block or crash it;
- the *workers* (`worker.py`) import the user's modules and call the functions. A worker that
  dies or hangs costs its own calls, which the front answers with 503 or 504, and is replaced.
"""
