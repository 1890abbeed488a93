"""Field cases: what annotation tools export, instructions, conversations."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from tests.field.cases import Case, Read, Refused
from tests.field.material import CLASSES, ROWS, ticket, tickets

PROBE = ticket(7)[0]
FINE = Read(rows=ROWS, classes=CLASSES, probes={"text": (PROBE,)})
SEVERAL = ("account", "billing", "delivery", "urgent")
TICKETS = list(enumerate(tickets()))


def lines(rows: list[dict[str, Any]]) -> Callable[[Path], Path]:
    """Return a maker of JSON Lines."""

    def make(folder: Path) -> Path:
        path = folder / "export.jsonl"
        path.write_text("\n".join(json.dumps(row) for row in rows))
        return path

    return make


def document(rows: Any) -> Callable[[Path], Path]:
    """Return a maker of one JSON document."""

    def make(folder: Path) -> Path:
        path = folder / "export.json"
        path.write_text(json.dumps(rows))
        return path

    return make


def frame(rows: list[dict[str, Any]], name: str = "export.csv") -> Callable[[Path], Path]:
    """Return a maker of a CSV or Parquet file."""

    def make(folder: Path) -> Path:
        path = folder / name
        if name.endswith(".parquet"):
            pd.DataFrame(rows).to_parquet(path)
        else:
            pd.DataFrame(rows).to_csv(path, index=False)
        return path

    return make


def doccano(number: int, text: str, label: str) -> dict[str, Any]:
    """Return a row of doccano's JSON Lines."""
    return {"id": number, "text": text, "label": [label], "Comments": []}


def label_studio(number: int, text: str, *choices: str, **annotation: Any) -> dict[str, Any]:
    """Return a task of Label Studio's JSON."""
    result = {
        "from_name": "sentiment",
        "to_name": "text",
        "type": "choices",
        "value": {"choices": list(choices)},
    }
    return {
        "id": number,
        "data": {"text": text},
        "annotations": [{"id": number, "result": [result], **annotation}],
    }


def with_second(task: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Return a task with the annotations of another, too."""
    return {**task, "annotations": [*task["annotations"], *second["annotations"]]}


def with_result(
    task: dict[str, Any], value: dict[str, Any], question: str = "sentiment"
) -> dict[str, Any]:
    """Return a task in whose annotation a further result answers a question."""
    (annotation,) = task["annotations"]
    results = [*annotation["result"], {"from_name": question, "value": value}]
    return {**task, "annotations": [{**annotation, "result": results}]}


def urgent(number: int, label: str) -> list[str]:
    """Return the labels of a ticket, of which some are urgent."""
    return [label, "urgent"] if number % 4 == 0 else [label]


def annotation_cases() -> list[Case]:
    """Return cases of annotation tools."""
    plain = [doccano(number, text, label) for number, (text, label) in TICKETS]
    labelled_twice = [{**row, "label": urgent(row["id"], row["label"][0])} for row in plain]
    spans = [{**row, "label": [[0, 6, "TICKET"]]} for row in plain]
    half_done = [{**row, "label": row["label"] if row["id"] % 10 else []} for row in plain]
    tasks = [label_studio(number, text, label) for number, (text, label) in TICKETS]
    tasks_twice = [
        label_studio(number, text, *urgent(number, label)) for number, (text, label) in TICKETS
    ]
    disputed = [
        with_second(task, label_studio(0, "", "account")) if task["id"] < 3 else task
        for task in tasks
    ]
    cancelled = [
        with_second(
            label_studio(task["id"], "", "account", was_cancelled=True) | {"data": task["data"]},
            task,
        )
        for task in tasks
    ]
    in_parts = [with_result(task, {"choices": urgent(task["id"], "")[1:]}) for task in tasks]
    retold = [with_result(task, {"text": ["changed"]}, question="text") for task in tasks]
    foretold = [
        {
            **task,
            "data": {**task["data"], "sentiment": "guessed"},
            "annotations": task["annotations"] if task["id"] % 10 else [],
        }
        for task in tasks
    ]
    taxonomy = [
        {
            **task,
            "annotations": [
                {"result": [{"from_name": "label", "value": {"taxonomy": [["desk", label]]}}]}
            ],
        }
        for task, (_, (_, label)) in zip(tasks, TICKETS, strict=True)
    ]
    minimal = [
        {"id": n, "text": text, "sentiment": label, "annotator": 1} for n, (text, label) in TICKETS
    ]
    choices = [
        {**row, "sentiment": {"choices": urgent(row["id"], row["sentiment"])}} for row in minimal
    ]
    cells = [
        {
            **row,
            "sentiment": json.dumps(choice["sentiment"])
            if row["id"] % 4 == 0
            else row["sentiment"],
        }
        for row, choice in zip(minimal, choices, strict=True)
    ]
    prodigy = [
        {"text": text, "label": label, "answer": "accept", "_input_hash": n}
        for n, (text, label) in TICKETS
    ]
    judged = [
        {**row, "answer": "reject" if row["_input_hash"] % 12 == 0 else "accept"} for row in prodigy
    ]
    chosen = [
        {"text": text, "accept": [label], "answer": "accept", "options": []}
        for _, (text, label) in TICKETS
    ]
    cats = [
        {"text": text, "cats": {name: float(name == label) for name in CLASSES}}
        for _, (text, label) in TICKETS
    ]
    unsure = [*cats[:6], {"text": "Unsure", "cats": {"billing": 0.4}}, *cats[6:]]
    issues = [
        {
            "body": text,
            "labels": [{"id": n, "name": name, "color": "f00"} for name in urgent(n, label)],
        }
        for n, (text, label) in TICKETS
    ]
    named = [{"text": text, "label": {"id": n, "name": label}} for n, (text, label) in TICKETS]
    scored = [
        {"text": text, "label": [{"name": name, "score": float(name == label)} for name in CLASSES]}
        for _, (text, label) in TICKETS
    ]
    places = [
        {"text": text, "label": [{"name": label, "from_char": n, "to_char": n + 6}]}
        for n, (text, label) in TICKETS
    ]
    parts = [
        {"text": text, "label": [{"name": label, "start": 0, "end": 6}]}
        for _, (text, label) in TICKETS
    ]
    multilabel = {"task": "multilabel-classification"}
    two = Read(
        rows=ROWS, classes=SEVERAL, probes={"text": (PROBE,), "label": (("account", "urgent"),)}
    )
    refused_two = Refused(
        value="['account', 'urgent']", place="1, column 'label'", cure="multilabel-classification"
    )
    return [
        Case(name="doccano", make=lines(plain), expect=FINE),
        Case(name="doccano in parquet", make=frame(plain, "a.parquet"), expect=FINE),
        Case(name="doccano, several labels", make=lines(labelled_twice), expect=refused_two),
        Case(name="doccano, several labels wanted", make=lines(labelled_twice), expect=two, **multilabel),
        Case(name="doccano, some unlabelled", make=lines(half_done), expect=Read(rows=ROWS - 6, notes=("6",))),
        Case(name="GitHub's issues", make=lines(issues), expect=two, options={"text": "body"}, **multilabel),
        Case(name="GitHub's issues, printed into a CSV", make=frame(issues), expect=two, options={"text": "body"},
             **multilabel),
        Case(name="labels that are objects, printed into a CSV", make=frame(named), expect=FINE),
        Case(name="labels that are objects", make=lines(named), expect=FINE),
        Case(name="labels with scores", make=lines(scored), **multilabel,
             expect=Refused(value="'score' of label", place="column 'label'", cure="give only those")),
        Case(name="labels of parts by another name", make=lines(places),
             expect=Refused(value="'from_char' of label", place="column 'label'", cure="parts of a text")),
        Case(name="labels of parts that are objects", make=lines(parts),
             expect=Refused(value="'start': 0", place="line 1, column 'label'", cure="labels of its own")),
        Case(name="doccano, spans", make=lines(spans),
             expect=Refused(value="[[0, 6, 'TICKET']]", place="line 1, column 'label'", cure="label of its own"[6:])),
        Case(name="Label Studio", make=document(tasks), expect=FINE),
        Case(name="Label Studio, two choices", make=document(tasks_twice),
             expect=Refused(value="['account', 'urgent']", place="column 'sentiment'", cure="multilabel")),
        Case(name="Label Studio, two choices wanted", make=document(tasks_twice), expect=two,
             options={"label": "sentiment"}, **multilabel),
        Case(name="Label Studio, two results", make=document(in_parts),
             expect=Refused(value="['account', 'urgent']", place="column 'sentiment'", cure="multilabel")),
        Case(name="Label Studio, two results wanted", make=document(in_parts), expect=two,
             options={"label": "sentiment"}, **multilabel),
        Case(name="Label Studio, a question called like the text", make=document(retold),
             expect=Read(rows=ROWS, classes=CLASSES, probes={"text": (PROBE,)}, notes=("column 'annotations.text'",))),
        Case(name="Label Studio, a question called like a label in the data", make=document(foretold),
             expect=Read(rows=ROWS - 6, classes=CLASSES, notes=("column 'data.sentiment'", "6 of 60 rows"))),
        Case(name="Label Studio, annotators differ", make=document(disputed),
             expect=Read(rows=ROWS, classes=CLASSES, notes=("tasks whose annotations differ: 2",))),
        Case(name="Label Studio, cancelled annotations", make=document(cancelled), expect=FINE),
        Case(name="Label Studio, taxonomy", make=document(taxonomy),
             expect=Read(rows=ROWS, classes=("desk/account", "desk/billing", "desk/delivery"))),
        Case(name="Label Studio, JSON-MIN", make=document(minimal), expect=FINE),
        Case(name="Label Studio, JSON-MIN with choices", make=document(choices), expect=two,
             options={"label": "sentiment"}, **multilabel),
        Case(name="Label Studio, CSV", make=frame(minimal), expect=FINE),
        Case(name="Label Studio, CSV with choices", make=frame(cells),
             expect=Refused(value="['account', 'urgent']", place="column 'sentiment'", cure="multilabel")),
        Case(name="Label Studio, CSV with choices wanted", make=frame(cells), expect=two,
             options={"label": "sentiment"}, **multilabel),
        Case(name="Prodigy", make=lines(prodigy), expect=FINE),
        Case(name="Prodigy, some rejected", make=lines(judged), expect=Read(rows=ROWS - 5, notes=("'reject': 5",))),
        Case(name="Prodigy, choices", make=lines(chosen), expect=FINE),
        Case(name="spaCy's cats", make=lines(cats), expect=FINE),
        Case(name="spaCy's cats, named", make=lines(cats), expect=FINE, options={"label": "cats"}),
        Case(name="spaCy's cats, unsure", make=lines(unsure),
             expect=Refused(value="billing: 0.4", place="line 7, column 'cats'", cure="1 or 0")),
    ]  # fmt: skip


def turns(*contents: str, system: str = "") -> list[dict[str, str]]:
    """Return turns of user and assistant."""
    messages = [{"role": "system", "content": system}] if system else []
    for number, content in enumerate(contents):
        messages.append({"role": "assistant" if number % 2 else "user", "content": content})
    return messages


def conversation_cases() -> list[Case]:
    """Return cases of instructions and conversations."""
    generation = {"task": "text-generation"}
    name = "Name the topic."
    alpaca = [{"instruction": name, "input": text, "output": label} for _, (text, label) in TICKETS]
    own_text = [{**row, "text": f"{name} {row['input']} ### {row['output']}"} for row in alpaca]
    bare = [{"instruction": row["input"], "input": "", "output": row["output"]} for row in alpaca]
    system = [{**row, "system": "Be short.", "history": [["Hello", "Hi"]]} for row in alpaca]
    exchange = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}]
    history_in_turns = [{**row, "history": exchange} for row in system]
    counted = [{**row, "history": [["2 and 2?", 4]]} for row in system]
    history_in_text = [{**row, "history": "[['Hello', 'Hi']]"} for row in system]
    odd_history = [*system[:4], {**system[4], "history": ["hi", "yo"]}, *system[5:]]
    spoken_history = [*system[:4], {**system[4], "history": "Hello. Hi."}, *system[5:]]
    single = [{"messages": turns(text, f"It is {label}.")} for _, (text, label) in TICKETS]
    with_system = [
        {"messages": turns(text, label, system="Be short.")} for _, (text, label) in TICKETS
    ]
    longer = [{"messages": turns("Hello", "Hi", text, label)} for _, (text, label) in TICKETS]
    sharegpt = [
        {
            "conversations": [
                {"from": "human", "value": text},
                {"from": "gpt", "value": f"It is {label}."},
            ]
        }
        for _, (text, label) in TICKETS
    ]
    parts = [
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": text}]},
                *turns("", label)[1:],
            ]
        }
        for _, (text, label) in TICKETS
    ]
    in_cells = [{"messages": json.dumps(row["messages"])} for row in single]
    prompts = [{"prompt": row["messages"][:1], "completion": row["messages"][1:]} for row in single]
    unanswered = [*single[:4], {"messages": turns("Anybody?")}, *single[5:]]
    strange = [*single[:4], {"messages": [{"role": "oracle", "content": "a"}]}, *single[5:]]
    joined = f"{name}\n\n{PROBE}"
    with_number = json.dumps(turns("2 and 2?", "4", joined, system="Be short."), ensure_ascii=False)
    label = ticket(7)[1]
    said = f"It is {label}."
    spoken = json.dumps(turns(PROBE, system="Be short."), ensure_ascii=False)
    dialogue = json.dumps(turns("Hello", "Hi", PROBE), ensure_ascii=False)
    with_history = json.dumps(turns("Hello", "Hi", joined, system="Be short."), ensure_ascii=False)
    answered = Read(rows=ROWS, probes={"text": (PROBE,), "target": (said,)})
    translation = [{"translation": {"en": text, "xx": text[::-1]}} for _, (text, _) in TICKETS]
    summaries = [{"conversation": f"A: {text}", "summary": label} for _, (text, label) in TICKETS]
    only_text = [
        {"text": f"### Instruction: {text} ### Response: {label}"} for _, (text, label) in TICKETS
    ]
    capitals = [{key.title(): cell for key, cell in row.items()} for row in alpaca]
    dolly = [
        {"instruction": name, "context": row["input"], "response": row["output"]} for row in alpaca
    ]
    beside_prompt = [
        {"prompt": text, **row} for row, (_, (text, _)) in zip(single, TICKETS, strict=True)
    ]
    beside_answer = [
        {**row, "target": topic} for row, (_, (_, topic)) in zip(single, TICKETS, strict=True)
    ]
    beside_completion = [
        {"messages": row["messages"], "Completion": row["target"]} for row in beside_answer
    ]
    printed = [{"messages": str(row["messages"])} for row in single]
    return [
        Case(name="alpaca in capitals", make=frame(capitals), **generation,
             expect=Read(rows=ROWS, probes={"text": (joined,), "target": (label,)})),
        Case(name="dolly", make=lines(dolly), **generation,
             expect=Read(rows=ROWS, probes={"text": (joined,), "target": (label,)}, notes=("and context",))),
        Case(name="messages beside their prompt", make=lines(beside_prompt), expect=answered, **generation),
        Case(name="messages as Python prints them", make=frame(printed), expect=answered, **generation),
        Case(name="translations", make=lines(translation), options={"text": "en", "columns": {"target": "xx"}},
             expect=Read(rows=ROWS, probes={"text": (PROBE,), "target": (PROBE[::-1],)}), **generation),
        Case(name="conversations that are texts", make=lines(summaries), options={"text": "conversation"},
             expect=Read(rows=ROWS, probes={"text": (f"A: {PROBE}",), "target": (label,)}), **generation),
        Case(name="prompt and answer in one text", make=frame(only_text), **generation,
             expect=Refused(value="columns text", place="target", cure="no other column")),
        Case(name="alpaca", make=document(alpaca), **generation,
             expect=Read(rows=ROWS, probes={"text": (joined,), "target": (label,)})),
        Case(name="alpaca with a text of its own", make=document(own_text),
             expect=Read(rows=ROWS, probes={"text": (joined,)}), **generation),
        Case(name="alpaca without input", make=lines(bare), expect=Read(rows=ROWS, probes={"text": (PROBE,)}),
             **generation),
        Case(name="alpaca with system and history", make=lines(system),
             expect=Read(rows=ROWS, probes={"text": (with_history,)}), **generation),
        Case(name="alpaca with turns for a history", make=lines(history_in_turns),
             expect=Read(rows=ROWS, probes={"text": (with_history,)}), **generation),
        Case(name="alpaca with a history in csv", make=frame(history_in_text),
             expect=Read(rows=ROWS, probes={"text": (with_history,)}), **generation),
        Case(name="alpaca with a number in its history", make=lines(counted),
             expect=Read(rows=ROWS, probes={"text": (with_number,)}), **generation),
        Case(name="messages beside a completion that is named", make=lines(beside_completion), **generation,
             options={"columns": {"target": "Completion"}},
             expect=Read(rows=ROWS, probes={"text": (PROBE,), "target": (label,)}, notes=("is 'Completion'",))),
        Case(name="alpaca with texts for a history", make=lines(odd_history), **generation,
             expect=Refused(value="got 'hi'", place="line 5", cure="pairs of a question and an answer")),
        Case(name="alpaca with a text for a history", make=lines(spoken_history), **generation,
             expect=Refused(value="got 'Hello. Hi.'", place="line 5", cure="pairs of a question and an answer")),
        Case(name="messages beside answers that are named", make=lines(beside_answer), **generation,
             options={"columns": {"target": "target"}},
             expect=Read(rows=ROWS, probes={"text": (PROBE,), "target": (label,)}, notes=("the target is 'target'",))),
        Case(name="alpaca, prompt named", make=document(alpaca), options={"text": "input"},
             expect=Read(rows=ROWS, probes={"text": (PROBE,)}), **generation),
        Case(name="alpaca in csv", make=frame(alpaca), **generation,
             expect=Read(rows=ROWS, probes={"text": (joined,)})),
        Case(name="messages", make=lines(single), expect=answered, **generation),
        Case(name="messages in parquet", make=frame(single, "a.parquet"), expect=answered, **generation),
        Case(name="messages in csv", make=frame(in_cells), expect=answered, **generation),
        Case(name="messages, named", make=lines(single), expect=answered, options={"text": "messages"}, **generation),
        Case(name="messages in parts", make=lines(parts), expect=Read(rows=ROWS, probes={"text": (PROBE,)}),
             **generation),
        Case(name="messages with a system", make=lines(with_system),
             expect=Read(rows=ROWS, probes={"text": (spoken,), "target": (label,)}), **generation),
        Case(name="messages of several turns", make=lines(longer), **generation,
             expect=Read(rows=ROWS, probes={"text": (dialogue,), "target": (label,)}, notes=("not learned: 60",))),
        Case(name="messages as prompt and completion", make=lines(prompts), expect=answered, **generation),
        Case(name="sharegpt", make=document(sharegpt), expect=answered, **generation),
        Case(name="messages without an answer", make=lines(unanswered), **generation,
             expect=Refused(value="no turn is the assistant's", place="line 5", cure="leave it out")),
        Case(name="messages of somebody unknown", make=lines(strange), **generation,
             expect=Refused(value="'oracle'", place="line 5: column 'messages'", cure="leave it out")),
    ]  # fmt: skip


CASES = [*annotation_cases(), *conversation_cases()]
