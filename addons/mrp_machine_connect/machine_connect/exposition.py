"""How are figures written for Prometheus? Its text format, version 0.0.4: one family of series after the other."""

#: What the answer's Content-Type is.
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_LABEL = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})
_HELP = str.maketrans({"\\": "\\\\", "\n": "\\n"})
#: Characters of a label's value that are shown; a name given by people may be long.
LONGEST_LABEL = 128


class Exposition:
    """Collects families of series and writes them."""

    def __init__(self):
        self._lines = []

    def family(self, name, kind, words, samples):
        """Add a family.

        :param str name: letters, digits and underscores; a counter's ends in ``_total``
        :param str kind: ``counter`` or ``gauge``
        :param str words: what it says
        :param samples: pairs of labels (a dict) and value (a number), no two with the same labels
        """
        self._head(name, kind, words)
        self._lines += [f"{name}{_labels(labels)} {_number(value)}" for labels, value in samples]

    def histogram(self, name, words, bounds, samples):
        """Add a histogram.

        :param bounds: upper bounds of its buckets, ascending, without the infinite one
        :param samples: tuples of labels, counts (how many fell into each bucket alone, the infinite one last) and the sum
            of all values
        """
        self._head(name, "histogram", words)
        for labels, counts, total in samples:
            below = 0
            for bound, count in zip([*(_number(bound) for bound in bounds), "+Inf"], counts, strict=True):
                below += count
                self._lines.append(f"{name}_bucket{_labels({**labels, 'le': bound})} {below}")
            self._lines.append(f"{name}_sum{_labels(labels)} {_number(total)}")
            self._lines.append(f"{name}_count{_labels(labels)} {below}")

    def text(self):
        """Return all of it."""
        return "\n".join([*self._lines, ""])

    def _head(self, name, kind, words):
        self._lines += [f"# HELP {name} {words.translate(_HELP)}", f"# TYPE {name} {kind}"]


def _labels(labels):
    if not labels:
        return ""
    said = ",".join(f'{name}="{str(value)[:LONGEST_LABEL].translate(_LABEL)}"' for name, value in labels.items())
    return f"{{{said}}}"


def _number(value):
    """Return a number as Go's ParseFloat reads it."""
    return str(int(value)) if float(value).is_integer() else repr(float(value))
