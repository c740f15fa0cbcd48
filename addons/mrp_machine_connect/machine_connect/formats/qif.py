"""What does a file of measurements say? QIF (ISO 23952, ANSI/DMSC) 2.x and 3.0: characteristics of parts, by part.

Read by lxml with a parser that resolves no entity, asks no network and takes no document type: a file comes from outside.
Elements are looked for by their local names, for the namespace alone tells version 2 from 3. A document is

    Characteristics: definition (tolerance) <- nominal (target) <- item (name) <- actual (value and status of one part)
"""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from ..errors import MachineConnectError
from ..event import Event

#: Namespaces of the versions that are read.
NAMESPACES = {"http://qifstandards.org/xsd/qif2": 2, "http://qifstandards.org/xsd/qif3": 3}
#: Bytes of a file, and measurements in it, at most.
FILE_LIMIT = 32 * 1024 * 1024
MEASUREMENT_LIMIT = 200_000
#: What becomes of the statuses of a characteristic (CharacteristicStatusEnumType).
PASS, FAIL, UNKNOWN = "PASS", "FAIL", ""
_SAYS_PASS = frozenset({"PASS", "BASIC_OR_NOMINAL_PASS", "REWORKED_PASS"})
_SAYS_FAIL = frozenset({"FAIL", "REWORK", "SYSTEM_ERROR_FAIL"})
#: Units that a characteristic is measured in where the file names none, by a word of its type.
_ANGLES = ("Angle", "Angular", "Angularity")

#: Why a file is not read, with what it says in English for logs.
REFUSALS = {
    "too_big": "the file is larger than is read",
    "not_xml": "the file is no well-formed XML",
    "not_qif": "the file is no QIF document of version 2 or 3",
    "document_type": "the file has a document type or entities",
    "no_results": "the file holds no measurement results",
    "no_time": "the file does not say when it was measured, and nobody else does",
    "too_many": "the file holds more measurements than are read",
}


class QifRefused(MachineConnectError):
    """A file of measurements is not read.

    :param str code: from :data:`REFUSALS`
    :param params: what a sentence about it needs: ``line`` of what is wrong, ``limit``
    """

    def __init__(self, code, **params):
        super().__init__(f"{code}: {REFUSALS[code]} {params}")
        self.code = code
        self.params = params


@dataclass(frozen=True)
class Measurement:
    """One characteristic of one part.

    :param str item: id of the characteristic item in the file, the same for all parts
    :param str actual: id of this very result in the file
    :param str name: of the characteristic, as the drawing has it
    :param str kind: Diameter, Position, Flatness, …: QIF's type of characteristic
    :param value: what was measured, in ``unit``; None where the file has no value
    :param lower: and ``upper``: limits, in the same unit; None where there is none
    :param target: the nominal value, or None
    :param str unit: as the file names it: mm, degree
    :param str status: ``PASS``, ``FAIL``, or empty where the file does not say and no limit tells
    """

    item: str
    actual: str
    name: str
    kind: str
    value: float | None
    lower: float | None
    upper: float | None
    target: float | None
    unit: str
    status: str


@dataclass(frozen=True)
class Part:
    """What was measured of one part.

    :param str component: its id in the file
    :param str serial: its serial number; empty where the file has none
    :param str model: name or number of the model of the part
    :param str status: ``PASS`` or ``FAIL`` as the file says of the whole, else empty
    :param tuple measurements: each :class:`Measurement`
    """

    component: str
    serial: str
    model: str
    status: str
    measurements: tuple

    @property
    def failed(self):
        """Whether the part is bad: the file says so, or one of its characteristics is."""
        return self.status == FAIL or any(measurement.status == FAIL for measurement in self.measurements)


@dataclass(frozen=True)
class Document:
    """A file of measurements.

    :param str qpid: its universally unique id
    :param str version: of QIF
    :param measured: when, aware UTC; None where the file does not say
    :param tuple parts: each :class:`Part`
    """

    qpid: str
    version: str
    measured: datetime | None
    parts: tuple

    @property
    def measurements(self):
        """All measurements of all parts."""
        return [measurement for part in self.parts for measurement in part.measurements]


def read(content, zone=timezone.utc):
    """Return what a file of measurements says.

    :param bytes content: the file
    :param zone: of times that name none
    :return: a :class:`Document`
    :raise QifRefused: it is too big, no QIF, or not safe to read
    """
    root = _parsed(content)
    names = _Names(root)
    parts = tuple(_parts(names))
    if not parts:
        raise QifRefused("no_results")
    return Document(
        names.text(root, "QPId"),
        root.get("versionQIF", ""),
        _measured(names, root, zone),
        parts,
    )


def events(document, occurred=None, recorded=None):
    """Return an event of the type ``quality.measurement`` for each value of a document.

    The same document makes the same events, so sent twice it is stored once.

    :param document: a :class:`Document`
    :param occurred: aware; when it was measured, where the document does not say
    :param recorded: aware; when the file was read
    """
    moment = document.measured or occurred
    if moment is None:
        raise QifRefused("no_time")
    return [
        Event(
            type="quality.measurement",
            occurred=moment,
            recorded=recorded or moment,
            data=_data(document, part, measurement),
        )
        for part in document.parts
        for measurement in part.measurements
        if measurement.value is not None
    ]


def _data(document, part, measurement):
    said = {
        "characteristic": measurement.name,
        "value": measurement.value,
        "lsl": measurement.lower,
        "usl": measurement.upper,
        "target": measurement.target,
        "unit": measurement.unit,
        "serial": part.serial,
        "status": measurement.status,
        "item": measurement.item,
        "actual": measurement.actual,
        "part": part.component,
        "part_status": part.status,
        "model": part.model,
        "document": document.qpid,
    }
    return {key: value for key, value in said.items() if value not in (None, "")}


def _parsed(content):
    """Return the root of a file that is QIF and safe to read."""
    from lxml import etree  # Odoo's own; an agent without it reads no files of measurements

    if len(content) > FILE_LIMIT:
        raise QifRefused("too_big", limit=FILE_LIMIT)
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise QifRefused("not_xml", line=error.lineno or 0) from error
    except ValueError as error:  # a text that declares an encoding, or NUL bytes
        raise QifRefused("not_xml", line=0) from error
    if root.getroottree().docinfo.doctype:
        raise QifRefused("document_type")
    name = etree.QName(root)
    if name.localname != "QIFDocument" or NAMESPACES.get(name.namespace) is None:
        raise QifRefused("not_qif")
    return root


class _Names:
    """Finds elements by their local names, in the document's own namespace."""

    def __init__(self, root):
        self._space = root.tag.rpartition("}")[0] + "}"
        self.root = root

    def local(self, node):
        """Return the name of an element without its namespace; empty for one of another."""
        tag = node.tag
        return tag[len(self._space) :] if isinstance(tag, str) and tag.startswith(self._space) else ""

    def all(self, node, name):
        """Return all elements of a name below a node."""
        return node.iter(f"{self._space}{name}")

    def children(self, node, *path):
        """Return the elements directly below a node, along a path of names."""
        found = [node]
        for name in path:
            found = [child for parent in found for child in parent.iterchildren(f"{self._space}{name}")]
        return found

    def text(self, node, *path):
        """Return the text at the first end of a path below a node, stripped; empty where there is none."""
        for found in self.children(node, *path):
            if found.text and found.text.strip():
                return found.text.strip()
        return ""

    def number(self, node, *path):
        """Return the number there, or None."""
        return _number(self.text(node, *path))

    def ending(self, parent, suffix):
        """Return ``{id: element}`` of elements whose names end alike, below all elements of a name."""
        return {
            child.get("id"): child
            for holder in self.all(self.root, parent)
            for child in holder
            if self.local(child).endswith(suffix)
        }


def _number(text):
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) != float("inf") and number == number else None


def _parts(names):
    definitions = names.ending("CharacteristicDefinitions", "CharacteristicDefinition")
    nominals = names.ending("CharacteristicNominals", "CharacteristicNominal")
    items = names.ending("CharacteristicItems", "CharacteristicItem")
    units = _units(names)
    known = _named_apart([_item(names, item, nominals, definitions, units) for item in items.values()])
    components = {component.get("id"): component for component in names.all(names.root, "ActualComponent")}
    model = _model(names)
    count = 0
    for results in names.all(names.root, "MeasurementResults"):
        component = names.text(results, "ActualComponentIds", "Id") or names.text(results, "ActualComponentId")
        found = components.get(component)
        measurements = []
        for actual in names.children(results, "MeasuredCharacteristics", "CharacteristicActuals"):
            for node in actual:
                if names.local(node).endswith("CharacteristicActual"):
                    measurements.append(_measurement(names, node, known))
                    count += 1
                    if count > MEASUREMENT_LIMIT:
                        raise QifRefused("too_many", limit=MEASUREMENT_LIMIT)
        status = names.text(results, "InspectionStatus", "InspectionStatusEnum")
        serial = ""
        if found is not None:
            serial = names.text(found, "SerialNumber")
            status = status or names.text(found, "Status", "InspectionStatusEnum")
        yield Part(component or results.get("id", ""), serial, model, _status(status), tuple(measurements))


def _named_apart(items):
    """Return ``{id: item}``; items that share a name bear their id beside it, for each is a characteristic of its own."""
    often = Counter(item.name for item in items)
    return {
        item.item: replace(item, name=f"{item.name} [{item.item}]") if often[item.name] > 1 else item for item in items
    }


def _model(names):
    """Return what the file calls its part, where it is of one."""
    models = {
        names.text(part, "ModelNumber") or names.text(part, "Name") or names.text(part, "Header", "Name")
        for holder in names.all(names.root, "PartSet")
        for part in names.children(holder, "Part")
    } - {""}
    return models.pop() if len(models) == 1 else ""


def _units(names):
    """Return ``(length, angle)``: the units that the file's values are in."""
    found = ["", ""]
    for primary in names.all(names.root, "PrimaryUnits"):
        found = [
            names.text(primary, kind, "UnitName") or names.text(primary, kind, "SIUnitName")
            for kind in ("LinearUnit", "AngularUnit")
        ]
    return tuple(found)


def _item(names, item, nominals, definitions, units):
    """Return a characteristic as a :class:`Measurement` without a value."""
    kind = names.local(item).removesuffix("CharacteristicItem")
    nominal = nominals.get(names.text(item, "CharacteristicNominalId"))
    target = definition = None
    if nominal is not None:
        target = names.number(nominal, "TargetValue")
        definition = definitions.get(names.text(nominal, "CharacteristicDefinitionId"))
    lower, upper = _limits(names, definition, target)
    name = names.text(item, "Name") or names.text(item, "CharacteristicDesignator", "Designator")
    return Measurement(
        item=item.get("id", ""),
        actual="",
        name=name or f"{kind} {item.get('id', '')}",
        kind=kind,
        value=None,
        lower=lower,
        upper=upper,
        target=target,
        unit=units[1] if kind.startswith(_ANGLES[:2]) and kind != _ANGLES[2] else units[0],
        status=UNKNOWN,
    )


def _limits(names, definition, target):
    """Return ``(lower, upper)`` of a definition: its limits, the target and what it may differ by, or a zone's width.

    A zone has a width and no sign; some writers give it one.
    """
    if definition is None:
        return None, None
    zone = names.number(definition, "ToleranceValue")
    if zone is not None:
        return None, abs(zone)
    for tolerance in names.children(definition, "Tolerance"):
        lower, upper = names.number(tolerance, "MinValue"), names.number(tolerance, "MaxValue")
        if names.text(tolerance, "DefinedAsLimit") in ("true", "1"):
            return lower, upper
        if target is not None:
            return (
                None if lower is None else _sum(target, lower),
                None if upper is None else _sum(target, upper),
            )
    return None, None


def _sum(target, part):
    """Return a sum as the drawing has it: 4 and 0.254 are 4.254, and not what binary floats make of it."""
    return round(target + part, 12)


def _measurement(names, actual, known):
    item = names.text(actual, "CharacteristicItemId")
    base = known.get(item) or Measurement(
        item, "", item, names.local(actual).removesuffix("CharacteristicActual"), None, None, None, None, "", UNKNOWN
    )
    value = names.number(actual, "Value")
    said = names.text(actual, "Status", "CharacteristicStatusEnum") or names.text(actual, "Status")
    return replace(base, actual=actual.get("id", ""), value=value, status=_status(said) or _judged(base, value))


def _status(said):
    if said in _SAYS_PASS:
        return PASS
    return FAIL if said in _SAYS_FAIL else UNKNOWN


def _judged(base, value):
    """Return what the limits say of a value where the file does not."""
    if value is None or base.lower is None and base.upper is None:
        return UNKNOWN
    below = base.lower is not None and value < base.lower
    above = base.upper is not None and value > base.upper
    return FAIL if below or above else PASS


def _measured(names, root, zone):
    """Return when it was measured, aware UTC: the end of the inspection, else when the report or the file was made."""
    for text in (
        *(node.text for node in names.all(root, "InspectionEnd")),
        *(node.text for node in names.all(root, "ReportPreparationDate")),
        names.text(root, "Version", "TimeCreated"),
        names.text(root, "Header", "Version", "TimeCreated"),
    ):
        try:
            moment = datetime.fromisoformat((text or "").strip().replace("Z", "+00:00"))
        except ValueError:
            continue
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(timezone.utc)
    return None
