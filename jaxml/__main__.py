"""``python -m jaxml``: the `jaxml` command."""

from jaxml.cli import command

if __name__ == "__main__":
    command()
