import pytest

from tests.task_texts import TASK, refusal, write
from workers.taskfiles import load_task

REFUSALS = {
    "unknown key": ("    labels:", "    lables:", 9, "fields.intent has no key `lables`; did you mean `labels`?"),
    "scale of too many steps": (
        "    labels:",
        "    ordered: true\n    labels:" + "".join(f"\n      step_{n}: x" for n in range(10)),
        9,
        "a scale has at most 10 steps and there are 12 labels",
    ),
    "unknown key at the top": ("name: shop", "name: shop\nsauce: 1", 2, "the task has no key `sauce`; did you mean `source`?"),
    "unknown key far from any": ("  text: body", "  text: body\n  zzz: 1", 5, "source has no key `zzz`; its keys are topic, "),
    "unknown key in a check": ("    most: 10", "    mots: 10", 20, "checks[0] has no key `mots`; did you mean `most`?"),
    "unknown key in a route": (
        "labelled: shop.out",
        "labelled: {field: intent, topic: {buy: b}, otherwise: o}",
        24,
        "routes.labelled has no key `topic`; did you mean `topics`?",
    ),
    "missing key": ("  topic: shop.in\n", "", 2, "source needs `topic`; add it"),
    "missing kind": ("    kind: label\n", "", 7, "fields.intent needs `kind`, which says what it is; add it"),
    "unknown kind": ("kind: label", "kind: lable", 7, "fields.intent has kind `lable`; did you mean `label`?"),
    "text for a number": ("default: 0.7", "default: much", 22, "must be a number, and this is the text much"),
    "quoted number": (
        "default: 0.7",
        'default: "0.7"',
        22,
        "thresholds.default must be a number, and this is the text 0.7; write it without quotes",
    ),
    "number for text": (
        "topic: shop.in",
        "topic: 12",
        3,
        "source.topic must be text, and this is the number 12; put it in quotes",
    ),
    "truth for text": ("buy: wants to buy", "buy: no", 10, "`no`, which YAML reads as false; put it in quotes"),
    "date for text": ("buy: wants to buy", "buy: 2020-01-01", 10, "YAML reads 2020-01-01 as a date; put it in quotes"),
    "truth for a key": ("buy: wants to buy", "on: wants to buy", 10, "YAML reads `on` as something else; put it in quotes"),
    "list for a mapping": ("  topic: shop.in\n  text: body", "  - a", 2, "source must be a mapping"),
    "empty for text": ("topic: shop.in", "topic:", 3, "source.topic must be text, and this is empty; fill it in"),
    "bad name": ("  amount:\n", "  Amount-1:\n", 12, "`Amount-1` in fields.Amount-1 is not a name: lower-case"),
    "bad topic": ("topic: shop.in", "topic: shop in", 3, "`shop in` in source.topic is not a Kafka topic"),
    "bad path": ("text: body", "text: body..a", 4, "`body..a` in source.text is not a path into the record's JSON value"),
    "bad import path": ("routes:", "reply_model: shop\nroutes:", 23, "`shop` in reply_model is not an import path"),
    "bad type": ("type: money", "type: cash", 14, "fields.amount.type cannot be `cash`; write one of: 'string', "),
    "out of range": (
        "default: 0.7",
        "default: 1.7",
        22,
        "thresholds.default cannot be used: it should be less than or equal to 1",
    ),
    "infinite number": ("default: 0.7", "default: .inf", 22, ".inf is not a finite number"),
    "two lines in a description": ("wants to buy", '"a\\nb"', 10, "fields.intent.labels.buy is not one line of text"),
    "context of a field that is not mapped": (
        "routes:",
        "context: {topic: c, conversation: thread}\nroutes:",
        23,
        "the source has no metadata thread; map it under `metadata`",
    ),
    "context in the source's topic": ("routes:", "context: {topic: shop.in}\nroutes:", 23, "give the context its own"),
    "one label": (
        "      sell: wants to sell\n",
        "",
        9,
        "fields.intent.labels cannot be used: it should have at least 2 items, not 1",
    ),
    "duplicate key": (
        "  text: body",
        "  text: body\n  topic: other",
        5,
        "key `topic` is already in line 3; remove one of them",
    ),
    "unsafe tag": (
        "name: shop",
        "name: !!python/object/apply:os.system [ls]",
        1,
        "the tag !!python/object/apply:os.system is not",
    ),
    "custom tag": ("name: shop", "name: !shop x", 1, "the tag !shop is not allowed; remove it"),
    "false tag": ("default: 0.7", "default: !!int a", 22, "`a` is no value of the type !!int"),
    "merge key": ("  text: body", "  <<: {text: body}", 4, "merge keys (<<) are not allowed"),
    "alias": ("  text: body", "  text: &a body\n  id: *a", 5, "aliases are not allowed; write the value out"),
    "yaml syntax": ("  text: body", "  text: [body", 5, "; correct the YAML here"),
    "not printable": ("  text: body", "  text: bo\x07dy", 4, "character #x0007 is not allowed in YAML; remove it"),
    "two documents": (
        "routes:",
        "---\nroutes:",
        23,
        "expected a single document in the stream, but found another document; correct the YAML here",
    ),
    "regex bomb": ('"[0-9]+"', '"(a+)+$"', 15, "could be tried in too many ways and take for ever; write a simpler one"),
    "not a regex": ('"[0-9]+"', '"[0-9"', 15, "is not a regular expression (unterminated character set at position 0)"),
    "read own events": ("dead: shop.dead", "dead: shop.in", 3, "topic shop.in is both source and route"),
    "shared topic": ("dead: shop.dead", "dead: shop.escalated", 26, "dead and escalated share the topic shop.escalated"),
    "audits nobody answers": (
        "dead: shop.dead",
        "dead: shop.dead\n  audit: shop.audit",
        27,
        "audit and findings go together, what is put up and what comes back; state both or none",
    ),
    "findings among audits": (
        "dead: shop.dead",
        "dead: shop.dead\n  audit: shop.audit\n  findings: shop.audit",
        28,
        "audit and findings share the topic shop.audit; give each its own",
    ),
    "audits among labels": (
        "dead: shop.dead",
        "dead: shop.dead\n  audit: shop.out\n  findings: shop.findings",
        27,
        "topic shop.out has another use in this task; give audit its own",
    ),
    "labels escalated": (
        "escalated: shop.escalated",
        "escalated: shop.out",
        25,
        "labelled and escalated share the topic shop.out",
    ),
    "promise and thresholds": (
        "routes:",
        "promise: {error: 0.05}\nroutes:",
        21,
        "a task has a promise or thresholds, not both",
    ),
    "promise to no label": (
        "thresholds:\n  default: 0.7",
        "promise:\n  error: 0.05\n  fields: [amount]",
        23,
        "amount is no label field; name some of: intent",
    ),
    "promise to a foreign label": (
        "thresholds:\n  default: 0.7",
        "promise:\n  error: 0.05\n  labels:\n    field: intent\n    errors: {steal: 0.01}",
        25,
        "field intent has no label steal",
    ),
    "promise beyond chance": ("thresholds:\n  default: 0.7", "promise:\n  error: 0.5", 22, "error"),
    "json without text": ("  text: body\n", "", 2, "a json source needs `text`"),
    "text with paths": ("  text: body", "  format: text\n  text: body", 4, "a text source has no paths"),
    "priority of two places": (
        "  text: body",
        "  text: body\n  priority: {header: tier, field: tier, high: [gold]}",
        5,
        "a priority is read from one place",
    ),
    "priority of no place": (
        "  text: body",
        "  text: body\n  priority: {high: [gold]}",
        5,
        "a priority is read from one place",
    ),
    "priority of nothing": ("  text: body", "  text: body\n  priority: {header: tier}", 5, "a priority without values"),
    "priority high and low": (
        "  text: body",
        "  text: body\n  priority:\n    header: tier\n    high: [gold]\n    low: [tin, gold]",
        8,
        "gold is both high and low; remove it from one of them",
    ),
    "priority of no metadata": (
        "  text: body",
        "  text: body\n  priority:\n    field: tier\n    high: [gold]",
        6,
        "the source has no metadata tier; map it under `metadata`, or use `header`",
    ),
    "weightless": ("routes:", "weight: 0\nroutes:", 23, "weight cannot be used: it should be greater than 0"),
    "tenants without path": ("routes:", "separate_tenants: true\nroutes:", 23, "separate_tenants needs source.tenant"),
    "reserved field": ("  amount:\n", "  sure:\n", 12, "field name sure is reserved"),
    "unknown as label": ("sell: wants to sell", "unknown: says nothing", 11, "`unknown` is always an allowed answer"),
    "check of no field": ("field: amount", "field: amounts", 18, "the task has no field amounts; name one of: intent, amount"),
    "range of a label": ("field: amount", "field: intent", 18, "intent is no number; a range check needs"),
    "check digit of a label": (
        "check: range\n    field: amount\n    least: 0\n    most: 10",
        "check: check_digit\n    field: intent\n    scheme: luhn",
        18,
        "intent is not extracted from the text; a check digit needs an extract field",
    ),
    "empty range": ("    least: 0\n    most: 10\n", "", 17, "a range check needs `least`, `most` or both; add one"),
    "range upside down": ("least: 0", "least: 11", 19, "least 11.0 is above most 10.0; exchange them"),
    "threshold of no label": ("  default: 0.7", "  fields: {amount: 0.7}", 22, "amount is no label field, and only labels"),
    "check of a foreign label": (
        "check: range\n    field: amount\n    least: 0\n    most: 10",
        "check: requires\n    when: intent\n    labels: [buy, steal]\n    field: amount",
        19,
        "field intent has no label steal",
    ),
    "route of a foreign label": (
        "labelled: shop.out",
        "labelled:\n    field: intent\n    topics:\n      buy: a\n      steal: b\n    otherwise: c",
        28,
        "field intent has no label steal",
    ),
    "examples missing": ("name: shop", "name: shop\nexamples: none.jsonl", 2, "there is no file"),
    "examples elsewhere": ("name: shop", "name: shop\nexamples: ../none.jsonl", 2, "is not beside the task file"),
    "examples are gold": ("name: shop", "name: shop\nexamples: gold.jsonl", 2, "the gold file is what a task is measured by"),
    "our package": ("name: shop", "name: shop\nreply_model: workers.cli:App", 2, "would be imported from nanotriage itself"),
    "no such module": ("name: shop", "name: shop\nreply_model: no_such_module_1:A", 2, "there is no module no_such_module_1"),
    "no such name": ("name: shop", "name: shop\nreply_model: json:Lods", 2, "module json has no Lods"),
    "no model": ("name: shop", "name: shop\nreply_model: json:loads", 2, "json:loads is not a pydantic model"),
}


@pytest.mark.parametrize(("old", "new", "line", "words"), REFUSALS.values(), ids=REFUSALS)
def test_a_mistake_is_refused_with_its_line_and_a_sentence(tmp_path, old, new, line, words):
    """Each class of mistake is named where it stands, in one sentence, without a traceback."""
    assert TASK.count(old) == 1
    found_line, sentence = refusal(tmp_path, TASK.replace(old, new))
    assert words in sentence
    assert found_line == line


def test_a_file_that_is_no_mapping_is_refused(tmp_path):
    """An empty file and a bare list are not tasks."""
    for text in ("", "- a\n", "just words\n"):
        assert "a task file is a mapping" in refusal(tmp_path, text)[1]


def test_a_file_that_is_not_utf_8_is_refused_with_its_line(tmp_path):
    """The line of the first wrong byte is named; a byte order mark is no mistake."""
    assert refusal(tmp_path, b"name: shop\ndescription: caf\xe9\n")[0] == 2
    assert load_task(str(write(tmp_path, b"\xef\xbb\xbf" + TASK.encode()))).task.name == "shop"


def test_a_file_too_large_is_refused_unread(tmp_path):
    """More than a million bytes are refused, whatever they say."""
    assert "larger than 1,000,000 bytes" in refusal(tmp_path, "#" * 1_000_001)[1]


def test_deep_nesting_is_refused(tmp_path):
    """A file of brackets ends in a sentence, not in a recursion error."""
    assert "nested too deeply" in refusal(tmp_path, "[" * 100_000)[1]


def test_an_alias_bomb_is_refused_before_it_grows(tmp_path):
    """Nine aliases of nine aliases are refused at the first of them."""
    bomb = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    assert refusal(tmp_path, bomb)[0] == 2
