import { access, constants } from "node:fs/promises";
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { basename, join } from "node:path";
import { PassThrough } from "node:stream";
import { RtkitError } from "../core/errors.ts";
import { exec } from "../core/exec.ts";
import { rtkitRoot } from "../core/paths.ts";
import { asRoot } from "./as-root.ts";
import type { Extent } from "./extents.ts";
import { writingFailed } from "./failures.ts";

/** The system's own: what else is called python3 on somebody's path has no business as root. */
const PYTHON = "/usr/bin/python3";

/** What a disk says of itself once it is open. */
export interface OpenDisk {
  /** In bytes. */
  readonly size: number;
  /** Bytes of a logical sector: 512, or 4096. */
  readonly block: number;
  /**
   * A number that no other disk or medium had since the machine was started (BLKGETDISKSEQ in linux/fs.h); null of files,
   * and before Linux 5.15.
   */
  readonly sequence: number | null;
  /** Whether the page cache is passed by; false only of files. */
  readonly direct: boolean;
}

/** One answer of src/flash/writer.py, which says what its members mean. */
interface Answer {
  readonly error?: string;
  readonly at?: number | null;
  readonly discarded?: boolean;
  readonly zero?: boolean;
  readonly sha256?: string;
  readonly crc32?: readonly number[];
  /** Of a `hash` that goes on. */
  readonly read?: number;
}

/**
 * A disk that is open for writing, alone: nobody else can mount it. A process of its own holds it, as root where that
 * is needed, and does what it is told in the order it was told. What fails rejects with an RtkitError, see failures.ts.
 */
export class DiskWriter {
  readonly path: string;
  readonly disk: OpenDisk;
  readonly #link: Link;

  private constructor(path: string, disk: OpenDisk, link: Link) {
    this.path = path;
    this.disk = disk;
    this.#link = link;
  }

  /** Opens a disk; where the user may not write to it, sudo asks for a password on the terminal when it has to. */
  static async open(path: string): Promise<DiskWriter> {
    const script = join(rtkitRoot, "src", "flash", "writer.py");
    const command = [PYTHON, "-I", script, path];
    const own = await access(path, constants.W_OK).then(
      () => true,
      () => false,
    );
    const link = new Link(path, own ? command : asRoot(command));
    const disk = (await link.answer()) as unknown as OpenDisk;
    link.isOpen = true;
    return new DiskWriter(path, disk, link);
  }

  /** Resolves when the disk has taken the bytes, whose buffer must not change before; see {@link sync}. */
  async write(offset: number, bytes: Buffer): Promise<void> {
    this.#link.input.write(`write ${offset} ${bytes.length}\n`);
    this.#link.input.write(bytes);
    await this.#link.answer();
  }

  /** Resolves when what was written so far outlasts a power cut. */
  async sync(): Promise<void> {
    await this.#ask("sync");
  }

  /** Tells the disk that nobody needs the range's bytes; false where it cannot be told. What is there then is not known. */
  async discard(extent: Extent): Promise<boolean> {
    return (await this.#ask("discard", extent)).discarded === true;
  }

  /** Whether sectors here and there read as zeros. */
  async glance(extent: Extent): Promise<boolean> {
    return (await this.#ask("glance", extent)).zero === true;
  }

  /** Makes the range read as zeros: reads it, and writes what is none. `onRead` hears how many bytes were read. */
  async clear(extent: Extent, onRead?: (bytes: number) => void): Promise<void> {
    this.#link.onRead = onRead;
    await this.#ask("clear", extent);
  }

  /** The sha256, in hex, of what the disk has, read from the disk itself; `onRead` hears how many bytes were read. */
  async hash(extent: Extent, onRead?: (bytes: number) => void): Promise<string> {
    this.#link.onRead = onRead;
    return (await this.#ask("hash", extent)).sha256 ?? "";
  }

  /** The CRC-32 of each MiB of what the disk has. */
  async sums(extent: Extent): Promise<readonly number[]> {
    return (await this.#ask("sums", extent)).crc32 ?? [];
  }

  /** Closes the disk. What was asked before is done first; nothing can be asked after. */
  async close(): Promise<void> {
    this.#link.input.end();
    await this.#link.ended;
  }

  async #ask(command: string, extent?: Extent): Promise<Answer> {
    this.#link.input.write(extent === undefined ? `${command}\n` : `${command} ${extent.offset} ${extent.length}\n`);
    return this.#link.answer();
  }
}

/** The way to a writer's process and back: one answer for each question, in order. */
class Link {
  readonly input = new PassThrough();
  readonly ended: Promise<void>;
  onRead: ((bytes: number) => void) | undefined;
  isOpen = false;
  readonly #path: string;
  readonly #waiting: { resolve: (answer: Answer) => void; reject: (error: unknown) => void }[] = [];
  #gone: unknown;

  constructor(path: string, [program = "", ...words]: readonly string[]) {
    this.#path = path;
    const running = exec(program, words, { stdin: this.input, onStdoutLine: (line) => this.#hear(line) });
    this.ended = running.then(
      () => this.#end(writerEnded(path, this.isOpen, undefined)),
      (error: unknown) => this.#end(writerEnded(path, this.isOpen, error)),
    );
  }

  async answer(): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#gone === undefined) this.#waiting.push({ resolve, reject });
      else reject(this.#gone);
    });
  }

  #hear(line: string): void {
    const answer = JSON.parse(line) as Answer;
    if (answer.read !== undefined) {
      this.onRead?.(answer.read);
      return;
    }
    const asked = this.#waiting.shift();
    if (answer.error === undefined) asked?.resolve(answer);
    else asked?.reject(writingFailed(this.#path, answer.error, answer.at ?? null, isThere(this.#path)));
  }

  #end(why: unknown): void {
    this.#gone = why;
    for (const { reject } of this.#waiting.splice(0)) reject(why);
  }
}

/** RTK_FLASH_WRITER: it was killed, or sudo refused. What is not installed says so by itself. */
function writerEnded(path: string, wasOpen: boolean, error: unknown): unknown {
  if (error instanceof RtkitError && error.code !== "RTK_EXEC_FAILED") return error;
  const why = error instanceof Error ? `: ${error.message}` : "";
  return new RtkitError("RTK_FLASH_WRITER", `what writes to ${path} has ended${why}`, {
    hint: wasOpen ? "what is on it is not whole: flash it again" : "nothing was written to it",
    cause: error,
  });
}

/** Whether a disk has its medium still: one that was pulled fails with all kinds of errors. */
function isThere(path: string): boolean {
  if (!existsSync(path)) return false;
  try {
    return readFileSync(join("/sys/class/block", basename(realpathSync(path)), "size"), "utf8") !== "0\n";
  } catch {
    return true;
  }
}
