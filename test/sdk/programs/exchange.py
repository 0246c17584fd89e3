"""Publishes or receives the records of $SAMPLES, by $ROLE: numbers as text, in the order of the members (exchange.ts too)."""

import json
import os

from rtnode import Publisher, Subscriber

for sample in json.loads(os.environ["SAMPLES"]):
    record = sample["record"]
    if os.environ["ROLE"] == "publish":
        topic = Publisher(sample["topic"], record)
        texts = iter(sample["texts"])
        for name, kind in record.items():
            convert = float if (kind if isinstance(kind, str) else kind[0]).startswith("f") else int
            if isinstance(kind, str):
                setattr(topic.message, name, convert(next(texts)))
            else:
                for i in range(kind[1]):
                    getattr(topic.message, name)[i] = convert(next(texts))
        topic.publish()
    else:
        topic = Subscriber(sample["topic"], record)
        topic.receive()
        members = [getattr(topic.message, name) for name in record]
        print(*[number for member in members for number in (member if hasattr(member, "__len__") else [member])])
