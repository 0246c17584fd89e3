import type { Json } from "./digest.ts";
import type { Listener } from "./events.ts";

/** What every step and command is given. */
export interface Context {
  /** Aborts on Ctrl-C; every step passes it on to what it starts. */
  readonly signal: AbortSignal;
  readonly emit: Listener;
  /** The folder of the cache, see core/paths.ts. */
  readonly cacheDir: string;
}

/**
 * One cached piece of a build. Its `inputs` hold everything that decides its output's content (files by their digest,
 * earlier steps by theirs); its output is a folder. The same inputs are never run twice.
 */
export interface Step {
  /** Short and stable (`packages`, `root`), shown with `--json` and used as the cache folder's name. */
  readonly name: string;
  /** For people: `Debian packages (trixie, arm64)`. */
  readonly title: string;
  readonly inputs: Json;
  /** Fills `outDir` (an empty folder). Removes whatever else it made, also when it throws or is aborted. */
  readonly run: (outDir: string, step: StepContext) => Promise<void>;
}

/** What a running step is given. */
export interface StepContext extends Context {
  /** Says where the step is, in a few words. */
  readonly progress: (text: string) => void;
}

/** A step's output: a read-only folder in the cache. */
export interface StepOutput {
  readonly dir: string;
  /** The sha256 over names and contents of the folder: what steps that read it put into their own inputs. */
  readonly digest: string;
  /** True when nothing had to run. */
  readonly cached: boolean;
  /** Size and sha256 of each file, by its path relative to `dir`. */
  readonly files: Readonly<Record<string, FileRecord>>;
}

/** Size in bytes and sha256 of one file. */
export interface FileRecord {
  readonly size: number;
  readonly sha256: string;
}
