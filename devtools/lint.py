"""What is checked before a change is looked at? (coming)"""


def main(fix=False):
    return 0
