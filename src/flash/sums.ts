import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { RtkitError } from "../core/errors.ts";

/** Checks what comes by against a sha256 that may be of the file or of the image in it: both are published. */
export class Sums {
  readonly #path: string;
  readonly #wanted: string;
  readonly #packed = createHash("sha256");
  readonly #unpacked = createHash("sha256");

  /** `wanted` in hex. */
  constructor(path: string, wanted: string) {
    this.#path = path;
    this.#wanted = wanted.toLowerCase();
  }

  addPacked(bytes: Buffer): void {
    this.#packed.update(bytes);
  }

  addUnpacked(bytes: Buffer): void {
    this.#unpacked.update(bytes);
  }

  /** For a file that is not read from its beginning to its end. */
  async addPackedFile(): Promise<void> {
    for await (const chunk of createReadStream(this.#path, { highWaterMark: 1024 ** 2 }))
      this.addPacked(chunk as Buffer);
  }

  /** Throws RTK_FLASH_CHECKSUM when neither is what was wanted; all must have come by. */
  check(): void {
    const packed = this.#packed.digest("hex");
    const unpacked = this.#unpacked.digest("hex");
    if (packed === this.#wanted || unpacked === this.#wanted) return;
    throw new RtkitError(
      "RTK_FLASH_CHECKSUM",
      `${this.#path} has the sha256 ${packed}${packed === unpacked ? "" : ` (unpacked ${unpacked})`}, not ${this.#wanted}`,
      { hint: "get it again, and its checksum; the disk was not made bootable" },
    );
  }
}
