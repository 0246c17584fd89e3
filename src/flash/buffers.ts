import { CHUNK_BYTES } from "./extents.ts";

/**
 * A few buffers of {@link CHUNK_BYTES} that go round between who reads and who writes. Memory stays the same whatever
 * the image, and who reads waits for who writes.
 */
export class Buffers {
  readonly #count: number;
  readonly #free: Buffer[];
  readonly #waiting: ((buffer: Buffer) => void)[] = [];

  constructor(count: number) {
    this.#count = count;
    this.#free = Array.from({ length: count }, () => Buffer.allocUnsafeSlow(CHUNK_BYTES));
  }

  /** A buffer that nobody uses. */
  async take(): Promise<Buffer> {
    return this.#free.pop() ?? new Promise((resolve) => this.#waiting.push(resolve));
  }

  give(buffer: Buffer): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free.push(buffer);
    else next(buffer);
  }

  /** Resolves when nobody uses any. */
  async allBack(): Promise<void> {
    const all = await Promise.all(Array.from({ length: this.#count }, async () => this.take()));
    for (const buffer of all) this.give(buffer);
  }
}
