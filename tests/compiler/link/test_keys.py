"""What types of tasks and executors ask of their keys: choices, and files."""

import pytest


def test_sql_has_a_query_or_a_file(project):
    assert project.told_of_task("type: sql, connection: c") == [
        '8 { error[missing-key] task "t" has no "query" or "query_file"'
    ]


def test_sql_has_not_both(project):
    project.file("q.sql")
    told = project.told_of_task("type: sql, connection: c, query: q, query_file: q.sql")
    assert told == [
        '8 query_file: error[several-of-one] task "t" has both "query" and "query_file"'
    ]


def test_query_file_beside_the_file(project):
    project.file("sql/daily.sql", "SELECT 1")
    assert not project.told_of_task("type: sql, connection: c, query_file: sql/daily.sql")


def test_missing_query_file_with_the_nearest(project):
    project.file("sql/daily.sql")
    told = project.told_of_task("type: sql, connection: c, query_file: sql/dayly.sql")
    assert told == [
        '8 sql/dayly.sql error[file-missing] query_file "sql/dayly.sql" does not exist; '
        'did you mean "daily.sql"?'
    ]


@pytest.mark.parametrize("file", ["/etc/passwd", "~/q.sql", "../q.sql", "sql/../../q.sql"])
def test_f12_query_file_outside(project, file):
    (project.folder.parent / "q.sql").touch()
    project.file("sql/x.sql")
    (found,) = project.told_of_task(f"type: sql, connection: c, query_file: {file}")
    assert found.startswith(f'8 {file} error[file-outside] query_file "{file}"')


def test_f12_query_file_through_a_link(project):
    outside = project.folder.parent / "outside.sql"
    outside.touch()
    (project.folder / "q.sql").symlink_to(outside)
    (found,) = project.told_of_task("type: sql, connection: c, query_file: q.sql")
    assert "error[file-outside]" in found


def test_query_file_that_is_a_folder(project):
    project.file("sql/daily.sql")
    (found,) = project.told_of_task("type: sql, connection: c, query_file: sql")
    assert found.endswith('query_file "sql" is not a file')


@pytest.mark.parametrize(
    "source", ["job.py", "s3://bucket/job.py", "/opt/spark/job.jar", "lib/job.jar", "data/job.py"]
)
def test_spark_application_that_may_be_there(project, source):
    project.file("job.py")
    project.file("lib/job.jar")
    keys = f"type: spark, image: img, application_source: '{source}'"
    mounts = "mounts: [{volume: v, path: data}]"
    assert not project.told_of_task(f"{keys}, {mounts}", "volumes: [{volume: v}]\n")


def test_spark_application_that_the_source_lacks(project):
    project.file("job.py")
    told = project.told_of_task("type: spark, image: img, application_source: jop.py")
    assert told == [
        f'8 jop.py warning[file-missing] the source "{project.folder.name}" has no "jop.py"; '
        'did you mean "job.py"?'
    ]


def test_spark_application_of_an_image_that_is_built_elsewhere(project):
    keys = "type: spark, image: apache/spark:4.0, application_source: job.py"
    assert not project.told_of_task(keys)


@pytest.mark.parametrize("key", ["cluster_name", "cluster_id"])
def test_emr_with_a_cluster(project, key):
    assert not project.told(f"name: a\nexecutors: [{{executor: e, type: emr, {key}: x}}]\n")


def test_emr_without_a_cluster(project):
    assert project.told("name: a\nexecutors: [{executor: e, type: emr}]\n") == [
        '2 { error[missing-key] executor "e" has no "cluster_name" or "cluster_id"'
    ]


def test_emr_with_two_clusters(project):
    text = "name: a\nexecutors: [{executor: e, type: emr, cluster_name: x, cluster_id: y}]\n"
    (found,) = project.told(text)
    assert found.endswith(
        'error[several-of-one] executor "e" has both "cluster_name" and "cluster_id"'
    )
