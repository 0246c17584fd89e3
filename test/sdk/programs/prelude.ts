/** What nodes of the conformance suite find in either language: the SDK, and these functions (prelude.py has the same). */
import type { BaseNode, Status } from "rtnode";

export * from "rtnode";

/** A line on standard output, at once. */
export function say(...words: unknown[]): void {
  process.stdout.write(`${words.join(" ")}\n`);
}

export function say_when(condition: boolean, ...words: unknown[]): void {
  if (condition) say(...words);
}

export function fail(): never {
  throw new Error("broken");
}

/** A status on a condition, else 0. */
export function when(condition: boolean, value: Status): Status {
  return condition ? value : 0;
}

/** Blocks. */
export function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** A text many times over on standard output, without an end of line, and perhaps not at once. */
export function write(text: string, times: number): void {
  process.stdout.write(text.repeat(times));
}

/** Computes, and does not block. */
export function burn(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

/** Waits much longer than a test does, as a device that does not answer; 0. */
export function linger(): Promise<Status> {
  return new Promise((done) => setTimeout(() => done(0), 600_000));
}

export function identity_of(node: BaseNode): string {
  const names = node.identity;
  return [names.node, names.platformId, names.pid, names.uniqueId].join(" ");
}

type Constructor<T> = new (...words: readonly unknown[]) => T;

export function make<T>(kind: Constructor<T>, ...words: readonly unknown[]): T {
  return new kind(...words);
}

/** What is said when an object cannot be made. */
export function problem_of(kind: Constructor<{ close: () => void }>, ...words: readonly unknown[]): string {
  try {
    new kind(...words).close();
  } catch (error) {
    return (error as Error).message;
  }
  return "none";
}
