"""Cuts the samples, gold answers and examples of the shipped tasks from a folder of public labelled data.

    python tests/tools/build_tasks.py DATA [TASKS]

DATA holds `bitext_support`, `banking77` and `birmingham_pcard`, as described in the README of each task; TASKS is
`schemas/tasks`. The same data gives the same bytes: choices come from one seed and from the order of the rows.
"""

import csv
import json
import random
import re
import sys
from collections import Counter, defaultdict
from pathlib import Path

SEED = 20261121
SAMPLE = 1_500
ROOT = Path(__file__).resolve().parents[2]

# Council headings as published, with their spellings, and the label of the task.
CATEGORIES = {
    "Equip Operational": "operational_equipment",
    "Purchases Food": "food",
    "Other Third Parties": "emergency_accommodation",
    "Vehicle Fuel": "vehicle_fuel",
    "Vehicle fuel": "vehicle_fuel",
    "Supplies & Sev Mic": "supplies_and_services",
    "Supplies & Services Miscellaneous": "supplies_and_services",
    "Books": "books",
    "Mat'l Raw/Drct": "materials",
    "Conference Fees Subs UK": "conferences",
    "Equip Other": "other_equipment",
    "Computing Other": "computing",
    "Stationery": "stationery",
    "Bldg RM Departmental": "building_repairs",
    "Prof Fees other": "professional_fees",
    "Transport Misc": "parking_and_zones",
    "Hospitality": "hospitality",
    "Postage": "postage",
    "Electricity": "electricity",
    "Phon NonCentrx Lines": "telephone_lines",
    "Travel Bus/Rail": "bus_and_rail",
    "Other Fix&Fittings": "fixtures_and_fittings",
    "Vehicle OthrunCosts": "vehicle_running_costs",
    "Vehicle Other Running Costs": "vehicle_running_costs",
    "Training Other": "training",
    "Vehicle Excise Lics": "licences_and_registers",
    "Vehicle Excise Licences": "licences_and_registers",
    "Aftercare Assistance": "aftercare",
}
BUDGET_HEADINGS = {"No Further Budget", "In Year Credits"}
ENTITIES = {
    "order_id": "order_id",
    "invoice_id": "invoice_id",
    "refund_amount": "refund_amount",
    "person_name": "person",
}


def main() -> None:
    data = Path(sys.argv[1])
    tasks = Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT / "schemas" / "tasks"
    support_tickets(data / "bitext_support", tasks / "support_tickets")
    banking_support(data / "banking77", tasks / "banking_support")
    card_transactions(data / "birmingham_pcard", tasks / "card_transactions")


def support_tickets(data: Path, folder: Path, size: int = SAMPLE) -> None:
    choose = random.Random(f"{SEED} support_tickets")
    rows = [row for row in distinct(read(data / "train.csv") + read(data / "dev.csv"), "text") if stands_free(row)]
    sample, rest = stratified(rows, "intent", size, choose)
    examples = few(rest, "intent", 12, choose)
    choose.shuffle(sample)
    customers = [f"C-{number:04d}" for number in range(1, 401)]
    records, gold = [], []
    for number, row in enumerate(sample, start=1):
        ticket = f"T-{number:06d}"
        channel = choose.choice(["email", "chat", "web"])
        records.append({"ticket_id": ticket, "customer_id": choose.choice(customers), "channel": channel, "body": row["text"]})
        gold.append({"id": ticket, "fields": {"intent": row["intent"], **entity(row)}})
    write(folder, records, gold, [{"text": row["text"], "intent": row["intent"]} for row in examples])


def stands_free(row: dict[str, str]) -> bool:
    """Return whether the entity is not glued to the word beside it, as in `order732201349959`."""
    if row["entity_type"] not in ENTITIES:
        return True
    start, end = int(row["start"]), int(row["end"])
    around = row["text"][start - 1 : start], row["text"][end : end + 1]
    return not any(char.isalnum() for char in around)


def entity(row: dict[str, str]) -> dict[str, object]:
    name = ENTITIES.get(row["entity_type"])
    if name is None:
        return {}
    if name == "refund_amount":  # the published span is the bare number; the text says dollars in sign or word
        return {name: {"amount": f"{row['entity_text']}.00", "currency": "USD"}}
    return {name: row["entity_text"]}


def banking_support(data: Path, folder: Path, size: int = SAMPLE) -> None:
    choose = random.Random(f"{SEED} banking_support")
    dev = distinct(read(data / "dev.csv"), "text")
    taken = {folded(row["text"]) for row in dev}
    train = [row for row in distinct(read(data / "train.csv"), "text") if folded(row["text"]) not in taken]
    more, rest = stratified(train, "intent", size - len(dev), choose)
    sample = dev + more
    examples = few(rest, "intent", 12, choose)
    choose.shuffle(sample)
    accounts = [f"A-{number:04d}" for number in range(1, 601)]
    records, gold = [], []
    for number, row in enumerate(sample, start=1):
        question = f"Q-{number:06d}"
        records.append({"id": question, "account": choose.choice(accounts), "message": row["text"].strip()})
        gold.append({"id": question, "fields": {"intent": slug(row["intent"])}})
    write(folder, records, gold, [{"text": row["text"].strip(), "intent": slug(row["intent"])} for row in examples])


def card_transactions(data: Path, folder: Path, size: int = SAMPLE) -> None:
    choose = random.Random(f"{SEED} card_transactions")
    rows = read(data / "transactions.csv")
    for row in rows:
        row["line"] = f"{row['date']} {row['merchant']} {row['amount']} {row['currency']}"
        row["label"] = CATEGORIES.get(row["category"], "unknown")
    rows = [row for row in distinct(rows, "line") if row["category"] not in BUDGET_HEADINGS]
    known = [row for row in rows if row["label"] != "unknown"]
    others = size // 20
    sample, rest = stratified(known, "label", size - others, choose)
    examples = few(rest, "label", 60, choose)
    sample += choose.sample([row for row in rows if row["label"] == "unknown"], others)
    sample.sort(key=lambda row: (row["date"], row["line"]))
    records, gold = [], []
    for number, row in enumerate(sample, start=1):
        key = f"L-{number:06d}"
        records.append({"id": key, "account": row["card"], "line": row["line"]})
        fields = {"category": row["label"], **{name: row[name] for name in ("merchant", "amount", "currency")}}
        gold.append({"id": key, "fields": fields})
    write(folder, records, gold, [{"text": row["line"], "category": row["label"]} for row in examples])


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def folded(text: str) -> str:
    """Return the text without what does not tell two texts apart: case, punctuation, spacing."""
    return " ".join(re.sub(r"[^\w\s]|_", " ", text.lower()).split())


def distinct(rows: list[dict[str, str]], column: str) -> list[dict[str, str]]:
    """Return the first row of each text, so that no text is both measured and taught."""
    first: dict[str, dict[str, str]] = {}
    for row in rows:
        first.setdefault(folded(row[column]) if column != "line" else row[column], row)
    return list(first.values())


def by_label(rows: list[dict[str, str]], column: str) -> dict[str, list[dict[str, str]]]:
    groups: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in rows:
        groups[row[column]].append(row)
    return dict(sorted(groups.items()))


def stratified(
    rows: list[dict[str, str]], column: str, wanted: int, choose: random.Random
) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Return `wanted` rows with every label at its natural share (largest remainders), and the other rows."""
    groups = by_label(rows, column)
    shares = {label: wanted * len(group) / len(rows) for label, group in groups.items()}
    counts = Counter({label: int(share) for label, share in shares.items()})
    largest = sorted(shares, key=lambda label: (int(shares[label]) - shares[label], label))
    counts.update(largest[: wanted - counts.total()])
    taken, rest = [], []
    for label, group in groups.items():
        mixed = choose.sample(group, len(group))
        taken += mixed[: counts[label]]
        rest += mixed[counts[label] :]
    return taken, rest


def few(rows: list[dict[str, str]], column: str, most: int, choose: random.Random) -> list[dict[str, str]]:
    return [row for group in by_label(rows, column).values() for row in choose.sample(group, min(most, len(group)))]


def slug(label: str) -> str:
    return re.sub(r"\W+", "_", label.lower()).strip("_")


def write(folder: Path, records: list[object], gold: list[object], examples: list[object]) -> None:
    for name, values in (("sample", records), ("gold", gold), ("examples", examples)):
        lines = (json.dumps(value, ensure_ascii=False, separators=(",", ":")) for value in values)
        (folder / f"{name}.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
