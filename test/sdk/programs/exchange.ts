/** Publishes or receives the records of $SAMPLES, by $ROLE: numbers as text, in the order of the members (exchange.py too). */
import { Publisher, Subscriber } from "rtnode";
import type { RecordDescription } from "rtnode";

interface Sample {
  readonly topic: string;
  readonly record: RecordDescription;
  readonly texts: readonly string[];
}

for (const { topic: name, record, texts } of JSON.parse(process.env["SAMPLES"] ?? "") as Sample[]) {
  if (process.env["ROLE"] === "publish") publish(new Publisher(name, record), record, texts.values());
  else receive(new Subscriber(name, record), record);
}

function publish(topic: Publisher<RecordDescription>, record: RecordDescription, texts: Iterator<string>): void {
  const next = (): number => Number(texts.next().value.replace("nan", "NaN").replace("infinity", "Infinity"));
  const message = topic.message as unknown as Record<string, number | Float64Array>;
  for (const [member, kind] of Object.entries(record)) {
    const elements = message[member];
    if (typeof kind === "string") message[member] = next();
    else for (let i = 0; i < Number(kind[1]); i += 1) (elements as Float64Array)[i] = next();
  }
  topic.publish();
}

function receive(topic: Subscriber<RecordDescription>, record: RecordDescription): void {
  topic.receive();
  const message = topic.message as unknown as Record<string, number | Float64Array>;
  const numbers = Object.keys(record).flatMap((member) => {
    const value = message[member] ?? NaN;
    return typeof value === "number" ? [value] : [...value];
  });
  process.stdout.write(`${numbers.map((value) => (Object.is(value, -0) ? "-0" : String(value))).join(" ")}\n`);
}
