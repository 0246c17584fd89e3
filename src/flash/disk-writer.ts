import { access, constants, type FileHandle } from "node:fs/promises";
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { basename, join } from "node:path";
import { RtkitError } from "../core/errors.ts";
import { exec } from "../core/exec.ts";
import { rtkitRoot } from "../core/paths.ts";
import { asRoot } from "./as-root.ts";
import type { Extent, SourceExtent } from "./extents.ts";
import { writingFailed } from "./failures.ts";
import { damaged } from "./image-failures.ts";
import type { PlainFile } from "./image.ts";
import { makePipe } from "./pipe.ts";

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
  /** Which command it answers. */
  readonly id: number;
  readonly error?: string;
  readonly at?: number | null;
  readonly of?: "disk" | "image";
  readonly image?: string;
  readonly discarded?: boolean;
  readonly zero?: boolean;
  readonly sha256?: string;
  readonly differs?: number | null;
  /** Of what goes on. */
  readonly done?: number;
}

/**
 * A disk that is open for writing, alone: nobody else can mount it. A process of its own holds it, as root where that
 * is needed, and begins what it is told in the order it was told; what is called "beside others" below does not keep the
 * next from beginning. What fails rejects with an RtkitError, see failures.ts.
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

  /**
   * Opens a disk; where the user may not write to it, sudo asks for a password on the terminal when it has to. `image`:
   * what {@link copy} copies, opened by the process that writes, but never as root.
   */
  static async open(path: string, image?: PlainFile): Promise<DiskWriter> {
    const script = join(rtkitRoot, "src", "flash", "writer.py");
    // -S: it needs nothing that was installed beside Python.
    const command = [PYTHON, "-I", "-S", script, path, ...whoWeAre(), ...(image === undefined ? [] : [image.path])];
    const own = await access(path, constants.W_OK).then(
      () => true,
      () => false,
    );
    const link = await Link.start(path, image?.path, own ? command : asRoot(command));
    try {
      const answer = await link.opened;
      link.isOpen = true;
      if (image !== undefined && answer.image !== image.identity) {
        throw damaged(image.path, new Error("it was replaced while it was looked at"));
      }
      return new DiskWriter(path, answer as unknown as OpenDisk, link);
    } catch (error) {
      await link.close();
      throw error;
    }
  }

  /** Resolves when the disk has taken the bytes, whose buffer must not change before; see {@link sync}. */
  async write(offset: number, bytes: Buffer): Promise<void> {
    await this.#link.ask(`write ${offset} ${bytes.length}`, bytes);
  }

  /** Resolves when all that was asked for and writes is done, and what was written so far outlasts a power cut. */
  async sync(): Promise<void> {
    await this.#ask("sync");
  }

  /**
   * Tells the disk, beside others, that nobody needs the range's bytes; false where it cannot be told. What is there then is
   * not known.
   */
  async discard(extent: Extent): Promise<boolean> {
    return (await this.#ask("discard", extent)).discarded === true;
  }

  /** Whether sectors here and there read as zeros; beside others. */
  async glance(extent: Extent): Promise<boolean> {
    return (await this.#ask("glance", extent)).zero === true;
  }

  /**
   * Copies a range of the image that the disk was opened with; of its last sector the rest becomes zeros. `onDone` hears how
   * many bytes were copied.
   */
  async copy(extent: SourceExtent, onDone?: (bytes: number) => void): Promise<void> {
    await this.#ask("copy", extent, onDone);
  }

  /** The sha256, in hex, of what the image has, from `sumFrom` on; beside others. */
  async sum(extent: SourceExtent): Promise<string> {
    return (await this.#ask("sum", extent, undefined, extent.sumFrom ?? extent.offset)).sha256 ?? "";
  }

  /**
   * Makes the range read as zeros, beside others: reads it, and writes what is none. `onDone` hears how many bytes were read.
   */
  async clear(extent: Extent, onDone?: (bytes: number) => void): Promise<void> {
    await this.#ask("clear", extent, onDone);
  }

  /**
   * The sha256, in hex, of what the disk has, read from the disk itself, and before it, from `sumFrom` on, what the image has;
   * beside others. `onDone` hears how many bytes were read.
   */
  async hash(extent: Extent & Pick<SourceExtent, "sumFrom">, onDone?: (bytes: number) => void): Promise<string> {
    return (await this.#ask("hash", extent, onDone, extent.sumFrom ?? extent.offset)).sha256 ?? "";
  }

  /** Where the first MiB of a range begins that is another than the image's that the disk was opened with. */
  async compare(extent: Extent): Promise<number | undefined> {
    return (await this.#ask("compare", extent)).differs ?? undefined;
  }

  /** Closes the disk. What was asked before is done first; nothing can be asked after. */
  async close(): Promise<void> {
    await this.#link.close();
  }

  async #ask(
    command: string,
    extent?: Extent,
    onDone?: (bytes: number) => void,
    ...more: readonly number[]
  ): Promise<Answer> {
    const range = extent === undefined ? [] : [extent.offset, extent.length];
    return this.#link.ask([command, ...range, ...more].join(" "), undefined, onDone);
  }
}

/** Somebody who waits for an answer. */
interface Asked {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
  readonly onDone?: ((bytes: number) => void) | undefined;
}

/** The way to a writer's process and back: one answer for each question. */
class Link {
  /** Of the disk, once it is open. */
  readonly opened: Promise<Answer>;
  readonly ended: Promise<void>;
  isOpen = false;
  readonly #path: string;
  readonly #imagePath: string;
  readonly #waiting = new Map<number, Asked>();
  #last = 0;
  readonly #input: FileHandle;
  #sent: Promise<void> = Promise.resolve();
  #closed: Promise<void> | undefined;
  #gone: unknown;

  private constructor(
    path: string,
    imagePath: string | undefined,
    [program = "", ...words]: readonly string[],
    stdin: number,
    input: FileHandle,
  ) {
    this.#path = path;
    this.#imagePath = imagePath ?? "";
    this.#input = input;
    this.opened = this.#answer(0);
    // It may end before anybody waits for this.
    this.opened.catch(() => undefined);
    const running = exec(program, words, { stdin, onStdoutLine: (line) => this.#hear(line) });
    this.ended = running.then(
      () => this.#end(writerEnded(path, this.isOpen, undefined)),
      (error: unknown) => this.#end(writerEnded(path, this.isOpen, error)),
    );
  }

  static async start(path: string, imagePath: string | undefined, argv: readonly string[]): Promise<Link> {
    const pipe = await makePipe();
    const link = new Link(path, imagePath, argv, pipe.read.fd, pipe.write);
    await pipe.read.close();
    return link;
  }

  /** Sends a command, and its bytes, after those before; on a thread of its own, beside the one that hashes. */
  async ask(command: string, bytes?: Buffer, onDone?: (bytes: number) => void): Promise<Answer> {
    const id = ++this.#last;
    const chunks = [Buffer.from(`${id} ${command}\n`), ...(bytes === undefined ? [] : [bytes])];
    this.#sent = this.#sent.then(async () => this.#write(chunks));
    return this.#answer(id, onDone);
  }

  async close(): Promise<void> {
    this.#closed ??= this.#sent.then(async () => this.#input.close());
    await this.#closed;
    await this.ended;
  }

  async #answer(id: number, onDone?: (bytes: number) => void): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#gone === undefined) this.#waiting.set(id, { resolve, reject, onDone });
      else reject(this.#gone);
    });
  }

  async #write(chunks: readonly Buffer[]): Promise<void> {
    try {
      for (const chunk of chunks) {
        for (let at = 0; at < chunk.length;) at += (await this.#input.write(chunk, at)).bytesWritten;
      }
    } catch {
      // That nobody reads any more is said where the answers end.
    }
  }

  #hear(line: string): void {
    const answer = JSON.parse(line) as Answer;
    const { id, done, error, at = null, of } = answer;
    const asked = this.#waiting.get(id);
    if (done !== undefined) {
      asked?.onDone?.(done);
      return;
    }
    this.#waiting.delete(id);
    if (error === undefined) asked?.resolve(answer);
    else if (of === "image")
      asked?.reject(damaged(this.#imagePath, new Error(at === null ? error : `${error} at byte ${at}`)));
    else asked?.reject(writingFailed(this.#path, error, at, isThere(this.#path)));
  }

  #end(why: unknown): void {
    this.#gone = why;
    for (const { reject } of this.#waiting.values()) reject(why);
    this.#waiting.clear();
  }
}

/** The user and the groups, the user's own first, that the writer becomes. */
function whoWeAre(): readonly string[] {
  const { getuid, getgid, getgroups } = process;
  const own = getgid?.() ?? 0;
  const others = (getgroups?.() ?? []).filter((group) => group !== own);
  return [String(getuid?.() ?? 0), [own, ...others].join(",")];
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
