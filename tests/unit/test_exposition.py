"""Figures for Prometheus: whatever names people give, each line stays one line."""

from machine_connect.exposition import LONGEST_LABEL, Exposition


def test_a_family():
    page = Exposition()
    page.family("door_events_total", "counter", "Back\\slash\nand line", [({}, 3), ({"source": "a"}, 2.5)])

    assert page.text() == (
        "# HELP door_events_total Back\\\\slash\\nand line\n"
        "# TYPE door_events_total counter\n"
        "door_events_total 3\n"
        'door_events_total{source="a"} 2.5\n'
    )


def test_labels_are_escaped_and_bounded():
    page = Exposition()
    page.family("x", "gauge", "x", [({"source": 'a"b\\c\nd'}, 1), ({"source": "y" * 1000}, 1)])
    lines = page.text().splitlines()[2:]

    assert lines[0] == 'x{source="a\\"b\\\\c\\nd"} 1'
    assert lines[1] == f'x{{source="{"y" * LONGEST_LABEL}"}} 1'


def test_a_histogram_counts_what_is_below_each_bound():
    page = Exposition()
    page.histogram("answer_seconds", "x", [0.005, 1], [({"action": "deliver"}, [2, 1, 4], 10.5)])

    assert page.text().splitlines()[2:] == [
        'answer_seconds_bucket{action="deliver",le="0.005"} 2',
        'answer_seconds_bucket{action="deliver",le="1"} 3',
        'answer_seconds_bucket{action="deliver",le="+Inf"} 7',
        'answer_seconds_sum{action="deliver"} 10.5',
        'answer_seconds_count{action="deliver"} 7',
    ]
