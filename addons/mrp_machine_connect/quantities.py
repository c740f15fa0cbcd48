"""How numbers and pieces are said to a person: without the noise of their binary form, and one piece as one."""


def number_text(value):
    """Return a number as people write it; what is no number as its text.

    >>> number_text(12.0), number_text(0.1 + 0.2), number_text(12_345_678.0), number_text("F12"), number_text(None)
    ('12', '0.3', '12345678', 'F12', '')
    """
    if value is None:
        return ""
    if isinstance(value, float):
        # Not by «g» alone, which writes a large counter as a power of ten.
        return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else f"{value:.12g}"
    return str(value)


def signed_text(value):
    """Return a number with its sign, where something is added or taken away.

    >>> signed_text(3.0), signed_text(-0.5), signed_text(0)
    ('+3', '-0.5', '0')
    """
    return f"+{number_text(value)}" if value > 0 else number_text(value)


def pieces_text(env, pieces, signed=False):
    """Return how many pieces, in words.

    :param float pieces: how many
    :param bool signed: with its sign, where they are added or taken away
    """
    number = signed_text(pieces) if signed else number_text(pieces)
    return env._("%s piece", number) if abs(pieces) == 1 else env._("%s pieces", number)
