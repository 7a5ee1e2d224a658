import pytest

LAST = "2200"


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("2026-01-01", "2026-01-01"),
        ("1970-01-01", "1970-01-01"),  # in old files
        ("'2026-01-01'", "2026-01-01"),
        ("2026-01-01 06:00", "2026-01-01T06:00:00"),
        ("2026-01-01T06:00:00Z", "2026-01-01T06:00:00+00:00"),
        ("2026-01-01T06:00:00.5+02:00", "2026-01-01T06:00:00+02:00"),
        ("2026-01-01 06:00:00 -0330", "2026-01-01T06:00:00-03:30"),
        ("2024-02-29", "2024-02-29"),
    ],
)
def test_date_becomes_what_every_python_reads(project, written, kept):
    assert project.pipeline(f"start_date: {written}").start_date == kept


def test_defaults(project):
    pipeline = project.pipeline("")
    assert (pipeline.start_date, pipeline.end_date, pipeline.timezone) == (
        "2020-01-01",
        None,
        "UTC",
    )


@pytest.mark.parametrize("year", ["0001", "9999", "1969", "2201"])
def test_f15_year_out_of_reach(project, year):
    assert project.told_of_pipeline(f"start_date: {year}-01-01") == [
        f'7 {year}-01-01 error[bad-date] start_date "{year}-01-01" is not between 1970 and {LAST}'
    ]


@pytest.mark.parametrize("date", ["2026-02-30", "2025-02-29", "2026-13-01", "2026-01-01T25:00"])
def test_f15_date_that_is_not_in_the_calendar(project, date):
    assert project.told_of_pipeline(f"start_date: {date}") == [
        f'7 {date} error[bad-date] start_date "{date}" is not in the calendar'
    ]


@pytest.mark.parametrize(
    "date", ["2026-2-3", "01/02/2026", "yesterday", "2026-01-01T", "2026-01-01T06", "20260101x"]
)
def test_text_that_is_no_date(project, date):
    assert project.told_of_pipeline(f"start_date: '{date}'") == [
        f'7 {date} error[bad-date] start_date "{date}" is not a date'
    ]


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-01-02", "2026-01-01"),
        ("2026-01-01T10:00", "2026-01-01T09:59"),
        ("2026-01-01T10:00+02:00", "2026-01-01T07:59Z"),
    ],
)
def test_f15_end_before_start(project, start, end):
    assert project.told_of_pipeline(f"start_date: {start}\nend_date: {end}") == [
        f'8 {end} error[end-before-start] end_date "{end}" is before start_date "{start}"'
    ]


def test_end_on_the_day_of_the_start(project):
    assert project.pipeline("start_date: 2026-01-01\nend_date: 2026-01-01").end_date == "2026-01-01"


def test_naive_end_is_meant_in_the_pipelines_zone(project):
    lines = "start_date: 2026-01-01T00:00Z\nend_date: 2026-01-01T00:30\ntimezone: {}"
    assert not project.told_of_pipeline(lines.format("UTC"))
    assert len(project.told_of_pipeline(lines.format("Europe/Amsterdam"))) == 1


def test_f15_end_before_the_default_start(project):
    (found,) = project.told_of_pipeline("end_date: 2019-06-01")
    assert found.endswith("is before the default start 2020-01-01")


def test_wrong_start_says_nothing_of_the_end(project):
    told = project.told_of_pipeline("start_date: 2026-02-30\nend_date: 2020-01-01")
    assert len(told) == 1


@pytest.mark.parametrize("name", ["UTC", "Europe/Amsterdam", "Asia/Kolkata", "Etc/GMT+5", "CET"])
def test_time_zone(project, name):
    assert project.pipeline(f"timezone: {name}").timezone == name


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Europe/Amsterdm", "Europe/Amsterdam"),
        ("europe/amsterdam", "Europe/Amsterdam"),
        ("Amsterdam", "Europe/Amsterdam"),
        ("America/New York", "America/New_York"),
        ("utc", "UTC"),
    ],
)
def test_f15_unknown_time_zone_with_the_nearest(project, name, meant):
    (found,) = project.told_of_pipeline(f"timezone: {name}")
    message = f'no time zone is named "{name}"; did you mean "{meant}"?'
    assert found == f"7 {name.split()[0]} error[unknown-timezone] {message}"


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "America", "Mars/Olympus", ""])
def test_f15_no_time_zone_at_all(project, name):
    assert project.told_of_pipeline(f"timezone: '{name}'") == [
        f'7 {name} error[unknown-timezone] no time zone is named "{name}"'
    ]
