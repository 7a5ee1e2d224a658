ARG X=1
FROM --platform=linux/amd64 python:3.11-slim AS one
FROM base$X
COPY . /x
