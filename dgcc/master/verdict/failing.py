"""Which parts of a shell line surely fail, or end it with a failure."""

from dgcc.master.verdict.shelltree import Block, Command, PartKind, Pipeline, Sequence, Simple


def _lone(pipeline: Pipeline) -> Command | None:
    return pipeline.commands[0] if len(pipeline.commands) == 1 and not pipeline.negated else None


def exits(pipeline: Pipeline) -> bool:
    """Tell whether what follows a failed command is no more than an exit with a failing status."""
    command = _lone(pipeline)
    if not isinstance(command, Simple) or command.words[:1] != (b"exit",) or len(command.words) > 2:
        return False
    if len(command.words) == 1:
        return True
    word = command.words[1]
    if isinstance(word, bytes):
        return word.isdigit() and 0 < int(word[:4]) < 256
    return len(word.parts) == 1 and (word.parts[0].kind, word.parts[0].name) == (PartKind.VARIABLE, b"?")


def ends_in_exit(body: Sequence) -> bool:
    """Tell whether the last command is an exit with a failing status that is written out."""
    last = body.items[-1] if body.items else None
    if last is None or last.rest or not exits(last.first):
        return False
    command = last.first.commands[0]
    return isinstance(command, Simple) and len(command.words) == 2 and isinstance(command.words[1], bytes)


def fails(pipeline: Pipeline) -> bool:
    """Tell whether a pipeline surely has a failing status: false, or a block that ends in false or exit."""
    command = _lone(pipeline)
    if isinstance(command, Simple):
        return command.words == (b"false",)
    if isinstance(command, Block) and command.body.items:
        last = command.body.items[-1]
        return not last.rest and (fails(last.first) or ends_in_exit(command.body))
    return False
