"""What files of measurements say, and what is done with files that are none."""

import gzip
import hashlib
import json
from collections import Counter
from datetime import datetime, timedelta, timezone
from pathlib import Path
from xml.etree import ElementTree

import pytest

from machine_connect.client import measurements
from machine_connect.envelope import ParsedEvent, judge
from machine_connect.formats import qif

RECORDINGS = Path(__file__).parents[2] / "addons" / "quality_machine_event" / "tests" / "recordings"
PLATES = RECORDINGS / "PlateResults_20_samples.QIF.gz"
TRUTH = json.loads((RECORDINGS / "truth.json").read_text())

SMALL = """<?xml version="1.0" encoding="UTF-8"?>
<QIFDocument xmlns="http://qifstandards.org/xsd/qif{version}" versionQIF="{version}.0.0" idMax="99">
  <QPId>11111111-2222-3333-4444-555555555555</QPId>
  <Version><TimeCreated>2026-03-02T08:00:00+02:00</TimeCreated></Version>
  <FileUnits><PrimaryUnits>
    <AngularUnit><SIUnitName>radian</SIUnitName><UnitName>degree</UnitName></AngularUnit>
    <LinearUnit><SIUnitName>meter</SIUnitName><UnitName>mm</UnitName></LinearUnit>
  </PrimaryUnits></FileUnits>
  <Product><PartSet n="1"><Part id="1"><ModelNumber>TB</ModelNumber></Part></PartSet></Product>
  <Characteristics>
    <CharacteristicDefinitions n="3">
      <DiameterCharacteristicDefinition id="10"><Tolerance>
        <MaxValue>0.2</MaxValue><MinValue>-0.1</MinValue><DefinedAsLimit>false</DefinedAsLimit>
      </Tolerance></DiameterCharacteristicDefinition>
      <AngleCharacteristicDefinition id="11"><Tolerance>
        <MaxValue>91</MaxValue><MinValue>89</MinValue><DefinedAsLimit>true</DefinedAsLimit>
      </Tolerance></AngleCharacteristicDefinition>
      <LengthCharacteristicDefinition id="12"><NonTolerance/></LengthCharacteristicDefinition>
    </CharacteristicDefinitions>
    <CharacteristicNominals n="3">
      <DiameterCharacteristicNominal id="20"><CharacteristicDefinitionId>10</CharacteristicDefinitionId>
        <TargetValue>4</TargetValue></DiameterCharacteristicNominal>
      <AngleCharacteristicNominal id="21"><CharacteristicDefinitionId>11</CharacteristicDefinitionId>
        <TargetValue>90</TargetValue></AngleCharacteristicNominal>
      <LengthCharacteristicNominal id="22"><CharacteristicDefinitionId>12</CharacteristicDefinitionId>
        <TargetValue>7</TargetValue></LengthCharacteristicNominal>
    </CharacteristicNominals>
    <CharacteristicItems n="3">
      <DiameterCharacteristicItem id="30"><Name>BORE</Name>
        <CharacteristicNominalId>20</CharacteristicNominalId></DiameterCharacteristicItem>
      <AngleCharacteristicItem id="31"><Name>{second}</Name>
        <CharacteristicNominalId>21</CharacteristicNominalId></AngleCharacteristicItem>
      <LengthCharacteristicItem id="32"><CharacteristicNominalId>22</CharacteristicNominalId></LengthCharacteristicItem>
    </CharacteristicItems>
  </Characteristics>
  <MeasurementsResults>
    <MeasurementResultsSet n="1"><MeasurementResults id="40">
      <MeasuredCharacteristics><CharacteristicActuals n="3">
        <DiameterCharacteristicActual id="50"><Status>{status}</Status>
          <CharacteristicItemId>30</CharacteristicItemId><Value>{value}</Value></DiameterCharacteristicActual>
        <AngleCharacteristicActual id="51"><CharacteristicItemId>31</CharacteristicItemId>
          <Value>91.5</Value></AngleCharacteristicActual>
        <LengthCharacteristicActual id="52"><CharacteristicItemId>32</CharacteristicItemId>
          <Value>7</Value></LengthCharacteristicActual>
      </CharacteristicActuals></MeasuredCharacteristics>
      <ActualComponentIds n="1"><Id>60</Id></ActualComponentIds>
    </MeasurementResults></MeasurementResultsSet>
    <ActualComponentSets n="1"><ActualComponentSet n="1"><ActualComponent id="60">
      <SerialNumber> S-1 </SerialNumber></ActualComponent></ActualComponentSet></ActualComponentSets>
  </MeasurementsResults>
</QIFDocument>"""


def small(version=3, second="SLOPE", status="<CharacteristicStatusEnum>PASS</CharacteristicStatusEnum>", value="4.05"):
    return SMALL.format(version=version, second=second, status=status, value=value).encode()


@pytest.fixture(scope="module")
def plates():
    return gzip.decompress(PLATES.read_bytes())


def test_the_file_is_what_the_measuring_machine_wrote():
    digest = "e34d8a405b3c48edf21bfa2070ed030b93d14e34f88d1c505442cb1771f423d5"
    assert hashlib.sha256(PLATES.read_bytes()).hexdigest() == digest


def test_twenty_plates(plates):
    document = qif.read(plates)

    assert len(document.parts) == TRUTH["parts"] == 20
    assert len(document.measurements) == TRUTH["characteristics"] == 620
    failed = [measurement for measurement in document.measurements if measurement.status == qif.FAIL]
    assert len(failed) == TRUTH["fail"] == 51
    assert sum(part.failed for part in document.parts) == TRUTH["parts_with_fail"] == 20
    assert Counter(measurement.item for measurement in failed) == {"48": 25, "127": 20, "150": 6}
    assert [
        {
            "component": part.component,
            "serial": part.serial or None,
            "characteristics": len(part.measurements),
            "fail": sum(measurement.status == qif.FAIL for measurement in part.measurements),
            "inspection_status": part.status,
        }
        for part in document.parts
    ] == TRUTH["per_part"]


def test_limits_of_the_plates_say_what_the_file_says(plates):
    """The limits are ours to reckon; the status is the measuring machine's own word for each of the 620."""
    for measurement in qif.read(plates).measurements:
        below = measurement.lower is not None and measurement.value < measurement.lower
        above = measurement.upper is not None and measurement.value > measurement.upper
        assert (below or above) == (measurement.status == qif.FAIL), measurement


def test_values_of_the_plates_by_another_reader(plates):
    root = ElementTree.fromstring(plates)  # noqa: S314 - a file of our own
    space = root.tag.partition("}")[0] + "}"
    others = [
        float(value.text)
        for actuals in root.iter(f"{space}CharacteristicActuals")
        for actual in actuals
        for value in actual.findall(f"{space}Value")
    ]
    assert [measurement.value for measurement in qif.read(plates).measurements] == others


@pytest.mark.parametrize("version", [2, 3])
def test_limits_targets_units_and_names(version):
    bore, slope, length = qif.read(small(version)).parts[0].measurements

    assert (bore.name, bore.value, bore.lower, bore.upper, bore.target) == ("BORE", 4.05, 3.9, 4.2, 4.0)
    assert (bore.unit, bore.kind, bore.status, bore.item, bore.actual) == ("mm", "Diameter", qif.PASS, "30", "50")
    assert (slope.lower, slope.upper, slope.unit) == (89, 91, "degree")
    assert slope.status == qif.FAIL, "judged by the limits, for the file does not say"
    assert (length.lower, length.upper, length.status, length.name) == (None, None, qif.UNKNOWN, "Length 32")


def test_part_and_time():
    document = qif.read(small())

    assert (document.parts[0].serial, document.parts[0].model, document.parts[0].component) == ("S-1", "TB", "60")
    assert document.measured == datetime(2026, 3, 2, 6, 0, tzinfo=timezone.utc)


def test_a_time_without_a_zone_is_of_the_zone_that_is_given():
    content = small().replace(b"08:00:00+02:00", b"08:00:00")
    assert qif.read(content, timezone(timedelta(hours=3))).measured == datetime(2026, 3, 2, 5, 0, tzinfo=timezone.utc)


def test_two_characteristics_of_one_name_stay_two():
    names = [measurement.name for measurement in qif.read(small(second="BORE")).parts[0].measurements]
    assert names == ["BORE [30]", "BORE [31]", "Length 32"]


@pytest.mark.parametrize("value", ["", "NaN", "INF", "-inf", "4,05", "1e999", "four"])
def test_what_is_no_number_is_no_value(value):
    document = qif.read(small(status="", value=value))
    assert document.parts[0].measurements[0].value is None
    assert document.parts[0].measurements[0].status == qif.UNKNOWN
    now = datetime(2026, 1, 1, tzinfo=timezone.utc)
    assert len(qif.events(document, now)) == 2, "the others are told all the same"


# As events


def test_events_of_the_plates(plates):
    events = qif.events(qif.read(plates))

    assert len(events) == 620
    assert {event.type for event in events} == {"quality.measurement"}
    assert {event.occurred for event in events} == {datetime(2017, 3, 7, 10, 39, 11, tzinfo=timezone.utc)}
    told = [json.dumps(event.data, sort_keys=True) for event in events]
    assert len(set(told)) == 620, "each is another one"
    assert told == [json.dumps(event.data, sort_keys=True) for event in qif.events(qif.read(plates))]


def test_the_door_takes_what_the_client_makes_of_the_file(plates):
    said = measurements(plates, "urn:mmc:cmm:cmm-1", "cmm-1")

    assert len({event["id"] for event in said}) == 620
    assert said[0]["type"] == "mmc.quality.measurement.v1"
    taken = judge(said)
    assert {type(event) for event in taken} == {ParsedEvent}
    assert taken[0].data["characteristic"] == "FLATNESS1"
    assert said == [
        {**event, "recordedtime": told["recordedtime"]}
        for told, event in zip(said, measurements(plates, "urn:mmc:cmm:cmm-1", "cmm-1"), strict=True)
    ]


def test_without_a_time_somebody_has_to_say_it():
    content = small().replace(b"<Version>", b"<Other>").replace(b"</Version>", b"</Other>")
    document = qif.read(content)
    assert document.measured is None
    with pytest.raises(qif.QifRefused, match="no_time"):
        qif.events(document)
    now = datetime(2026, 1, 1, tzinfo=timezone.utc)
    assert {event.occurred for event in qif.events(document, now)} == {now}


# Hostile files


def refused(content):
    with pytest.raises(qif.QifRefused) as refusal:
        qif.read(content)
    return refusal.value.code


def test_an_entity_is_not_resolved(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("the secret")
    content = small().replace(
        b"<QIFDocument", f'<!DOCTYPE QIFDocument [<!ENTITY x SYSTEM "file://{secret}">]><QIFDocument'.encode(), 1
    )
    assert refused(content.replace(b" S-1 ", b"&x;")) == "document_type"


def test_entities_that_grow_are_not_read():
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    content = small().replace(
        b"<QIFDocument", f'<!DOCTYPE QIFDocument [<!ENTITY l0 "ha">{laughs}]><QIFDocument'.encode(), 1
    )
    assert refused(content.replace(b" S-1 ", b"&l9;")) in ("document_type", "not_xml")


def test_a_document_type_from_elsewhere_is_not_fetched():
    content = small().replace(
        b"<QIFDocument", b'<!DOCTYPE QIFDocument SYSTEM "http://127.0.0.1:9/x.dtd"><QIFDocument', 1
    )
    assert refused(content) == "document_type"


def test_a_file_that_is_too_big(monkeypatch):
    monkeypatch.setattr(qif, "FILE_LIMIT", 100)
    assert refused(small()) == "too_big"


def test_too_many_values(monkeypatch):
    monkeypatch.setattr(qif, "MEASUREMENT_LIMIT", 2)
    assert refused(small()) == "too_many"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "not_xml"),
        (b"\x00\x01\x02", "not_xml"),
        (b"not xml at all", "not_xml"),
        (b"<QIFDocument", "not_xml"),
        (b"<html/>", "not_qif"),
        (b'<QIFDocument xmlns="http://qifstandards.org/xsd/qif1"/>', "not_qif"),
        (b"<QIFDocument/>", "not_qif"),
        (b'<QIFDocument xmlns="http://qifstandards.org/xsd/qif3"/>', "no_results"),
        (b"<a>" * 5000, "not_xml"),
    ],
)
def test_what_is_no_qif_is_said_so(content, code):
    assert refused(content) == code


def test_a_file_in_another_encoding_is_read():
    text = small().decode().replace('encoding="UTF-8"', 'encoding="UTF-16"').replace("S-1", "Plättchen")
    assert qif.read(text.encode("utf-16")).parts[0].serial == "Plättchen"


def test_ids_that_lead_nowhere_cost_no_value():
    content = small().replace(b"<CharacteristicNominalId>20<", b"<CharacteristicNominalId>999<")
    bore = qif.read(content).parts[0].measurements[0]
    assert (bore.value, bore.lower, bore.upper, bore.status) == (4.05, None, None, qif.PASS)
    unknown = small().replace(b"<CharacteristicItemId>30<", b"<CharacteristicItemId>77<")
    assert qif.read(unknown).parts[0].measurements[0].name == "77"
