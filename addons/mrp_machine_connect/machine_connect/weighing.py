"""What of that which a scale shows is scrap? What is put on it; what is taken off again was only carried away."""

from .evaluation import Evaluator, Interpretation, is_late, outcome

#: Decimals of a difference that are meant; what stands behind them is the noise of binary fractions.
_DECIMALS = 6


class Weights(Evaluator):
    """Rejects on a scale, or in a bin that stands on one. The memory is the weight of which all was told, and since when.

    What it grows by is scrap, also when it grew while nobody could read. A fall says that the bin was emptied: the next
    rejects are counted from there. What is thrown in and carried away between two readings, nobody sees.
    """

    def _read(self, memory, reading, value):
        value = self._number(value)
        if value == memory.get("value") and "pending" not in memory:
            return Interpretation(value, (), memory, self._rules(reading), False)
        return self._heard(memory, reading, value, self._moment(reading), memory.get("value"))

    def _speak(self, memory, reading, value, moment, rules):
        if is_late(memory, moment):
            late = outcome("sequence", "refused", code="older", value=value)
            return Interpretation(value, (), memory, (*rules, late), False)
        kept = {"value": value, "at": moment.us, "read": moment.read_us}
        if (before := memory.get("value")) is None:
            return Interpretation(value, (), kept, rules, True)
        change = round(value - before, _DECIMALS)
        if not change or abs(change) < self.mapping.deadband:
            # What is told next is told from the last weight that was told, so nothing is lost in small portions.
            small = outcome("deadband", "refused", value=before)
            return Interpretation(value, (), memory, (*rules, small), False)
        if change < 0:
            return Interpretation(value, (), kept, rules, True)
        data = {
            "qty": change,
            "unit": self.mapping.unit,
            "signal": self.mapping.name,
            "weight_before": before,
            "weight_after": value,
        }
        if self.mapping.reason:
            data["reason"] = self.mapping.reason
        event = self._event(self.role.event_type, moment, reading, data, rules)
        return Interpretation(value, (event,), kept, rules, True)
