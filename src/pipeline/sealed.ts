import { sha256 } from "./digest.ts";

/** A value as the text of a file in the cache: the sha256 of its JSON on a line, and that. */
export function printSealed(value: unknown): string {
  const text = JSON.stringify(value);
  return `${sha256(text)}\n${text}\n`;
}

/** The value of a text of {@link printSealed}, or undefined when any bit of it is not as it was. */
export function parseSealed(sealed: string): unknown {
  const [sum, text = ""] = sealed.split("\n");
  return sealed === `${sum}\n${text}\n` && sum === sha256(text) ? (JSON.parse(text) as unknown) : undefined;
}
