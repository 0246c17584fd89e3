import type { Json } from "./digest.ts";
import type { Listener } from "./events.ts";
import type { Tree } from "./tree.ts";

/** What every step and command is given. */
export interface Context {
  /** Aborts on Ctrl-C; every step passes it on to what it starts. */
  readonly signal: AbortSignal;
  /** Aborts on the second Ctrl-C: whatever is still being put in order is left as it is. */
  readonly leave?: AbortSignal;
  readonly emit: Listener;
  /** The folder of the cache, see core/paths.ts. */
  readonly cacheDir: string;
  /** The cache that the team shares, see src/pipeline/shared/; without it there is none. */
  readonly shared?: SharedCache;
}

/** A server's cache as steps use it. Whatever the server does, none of these throws, except when the build is aborted. */
export interface SharedCache {
  /** Whether the server says that it has the step's output. */
  readonly has: (key: string) => Promise<boolean>;
  /** Fills an empty folder and describes it; undefined when it could not be had whole. */
  readonly fetch: (key: string, outDir: string, context: StepContext) => Promise<Tree | undefined>;
  /** Begins to send the output of the step with this name. */
  readonly store: (key: string, step: string, output: { readonly dir: string; readonly tree: Tree }) => void;
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
  /** True when the team's server keeps the output: where running the step takes longer than fetching that. */
  readonly shared?: boolean;
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
