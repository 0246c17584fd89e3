import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import { formatSize } from "../../core/units.ts";
import { removeTree } from "../../core/remove.ts";
import { temporaryPath } from "../builds.ts";
import { digestOf } from "../digest.ts";
import { showAsStep } from "../show.ts";
import type { Context, SharedCache, StepContext } from "../step.ts";
import type { Tree } from "../tree.ts";
import { ask, readText, Unreachable, type Answer, type Server } from "./http.ts";
import { programDigest } from "./program.ts";
import { parseRecord, printRecord, type SharedRecord } from "./record.ts";
import { readArchive, writeArchive } from "./transfer.ts";

/** A record is a few hundred bytes. */
const RECORD_BYTES = 4096;

/** Milliseconds without a byte after which a server counts as gone. */
const STALL_MS = 10_000;

/** Where the cache is, and what opens it. */
export interface SharedCacheOptions {
  readonly url: URL;
  /** Sent as a bearer token. */
  readonly token: string | undefined;
  /** Signs records, and refuses those that it did not sign. */
  readonly secret: string | undefined;
  readonly stallMs?: number;
}

/** A server's cache for the time of one build. */
export interface OpenSharedCache extends SharedCache {
  /** Waits until everything is sent, shown as a step. Call it once, at the end. */
  readonly settle: () => Promise<void>;
}

/** The name of the step that {@link OpenSharedCache.settle} shows. */
export const SETTLE_STEP = { name: "share", title: "Upload to the shared cache" };

/**
 * Opens the cache that a team shares: `ac/<key>` is a record, `cas/<sha256>` an archive, over GET, HEAD and PUT. What is
 * fetched is checked in every byte. The first trouble of a build becomes its one warning; a server that is not there,
 * refuses or fails is not asked again, and one that sends something wrong only for something else.
 */
export function openSharedCache(context: Context, options: SharedCacheOptions): OpenSharedCache {
  const { url, token, secret } = options;
  const { signal } = context;
  const server: Server = { url, token, stallMs: options.stallMs ?? STALL_MS };
  const records = new Map<string, Promise<SharedRecord | undefined>>();
  const broken = new Set<string>();
  let reachable = true;
  let writable = true;
  let warned = false;
  let sent = 0;
  let sending = "";
  let queue: Promise<void> | undefined;
  let program: Promise<string> | undefined;

  const warn = (what: string, hint: string): void => {
    if (warned) return;
    warned = true;
    context.emit({ type: "warning", message: `the shared cache at ${url.host} ${what}; building without it`, hint });
  };

  /** Turns what went wrong with a request into a warning, at most, and throws only when the build is aborted. */
  const excuse = (error: unknown, key: string): void => {
    signal.throwIfAborted();
    if (error instanceof Refused) {
      reachable = false;
      return warn(error.message, error.hint);
    }
    if (error instanceof Unreachable) {
      reachable = false;
      return warn(`cannot be used: ${error.message}`, "check the server and cache.url; see docs/cache.md");
    }
    broken.add(key);
    warn(error instanceof Error ? error.message : String(error), "it is built here and sent again; see docs/cache.md");
  };

  const sharedKey = async (key: string): Promise<string> => {
    program ??= programDigest();
    return digestOf({ key, program: await program });
  };

  const lookUp = async (key: string): Promise<SharedRecord | undefined> => {
    if (!reachable) return undefined;
    try {
      const name = await sharedKey(key);
      const answer = await ask(server, { method: "GET", path: `ac/${name}`, bytes: RECORD_BYTES }, signal);
      if (!found(answer, token)) return undefined;
      const record = parseRecord(await readText(answer.body, RECORD_BYTES), name, secret);
      if (typeof record !== "string") return record;
      throw new Error(record);
    } catch (error) {
      excuse(error, key);
      return undefined;
    }
  };

  const recordOf = async (key: string): Promise<SharedRecord | undefined> => {
    const known = records.get(key);
    if (known !== undefined) return known;
    const asked = lookUp(key);
    records.set(key, asked);
    return asked;
  };

  const fetch = async (key: string, outDir: string, step: StepContext): Promise<Tree | undefined> => {
    const record = await recordOf(key);
    if (record === undefined || !reachable) return undefined;
    const { sha256, size } = record.archive;
    step.progress(`fetching ${formatSize(size)} from the shared cache`);
    try {
      const answer = await ask(server, { method: "GET", path: `cas/${sha256}`, bytes: size }, step.signal);
      // Servers tidy up too.
      if (!found(answer, token)) return undefined;
      if (answer.size !== undefined && answer.size !== size) {
        answer.body.destroy();
        throw new Error(`sent ${answer.size} bytes in place of ${size}`);
      }
      return await readArchive(answer.body, record, outDir, step.signal).catch((error: unknown) => {
        if (error instanceof Unreachable) throw error;
        throw new Error(`sent a damaged archive (${error instanceof Error ? error.message : String(error)})`);
      });
    } catch (error) {
      step.signal.throwIfAborted();
      excuse(error, key);
      return undefined;
    }
  };

  const put = async (path: string, size: number, open: () => Readable): Promise<void> => {
    const answer = await ask(server, { method: "PUT", path, bytes: size, body: { size, open } }, signal);
    answer.body.resume();
    if (answer.status >= 200 && answer.status < 300) return;
    // Who may only read is no mistake, and need not be told at every build.
    if ([403, 405].includes(answer.status) || (answer.status === 401 && token === undefined)) writable = false;
    else throw refusal(answer.status, "PUT", token);
  };

  const send = async (
    key: string,
    step: string,
    output: { readonly dir: string; readonly tree: Tree },
  ): Promise<void> => {
    if (!reachable || !writable) return;
    const file = await temporaryPath(context.cacheDir, step);
    try {
      sending = `packing ${step}`;
      const record = await writeArchive(output, file, signal);
      const { sha256, size } = record.archive;
      sending = `sending ${step} (${formatSize(size)})`;
      context.emit({ type: "progress", name: SETTLE_STEP.name, text: sending });
      const path = `cas/${sha256}`;
      const there = await ask(server, { method: "HEAD", path, bytes: 0 }, signal);
      there.body.resume();
      // What turned out broken may be there with the right length.
      if (there.status !== 200 || there.size !== size || broken.has(key)) {
        await put(path, size, () => createReadStream(file));
      }
      if (!writable) return;
      const name = await sharedKey(key);
      const text = Buffer.from(printRecord(name, record, secret));
      await put(`ac/${name}`, text.length, () => Readable.from([text]));
      sent += 1;
    } catch (error) {
      excuse(error, key);
    } finally {
      await removeTree(file);
    }
  };

  return {
    has: async (key) => (await recordOf(key)) !== undefined,
    fetch,
    store: (key, step, output) => {
      queue = (queue ?? Promise.resolve()).then(() => send(key, step, output));
      // Only an abort gets here, and whoever waits for the build hears of that.
      queue.catch(() => undefined);
    },
    settle: async () => {
      const { name } = SETTLE_STEP;
      const work = async (): Promise<void> => {
        if (queue !== undefined) context.emit({ type: "progress", name, text: sending });
        await queue;
      };
      await showAsStep(context, name, work, () => sent === 0);
    },
  };
}

/** An answer that no second question would change. */
class Refused extends Error {
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}

/** Whether an answer to GET is the thing itself. Throws {@link Refused} when it is neither that nor "there is none". */
function found(answer: Answer, token: string | undefined): boolean {
  if (answer.status === 200) return true;
  answer.body.resume();
  if (answer.status === 404 || answer.status === 410) return false;
  throw refusal(answer.status, "GET", token);
}

function refusal(status: number, method: string, token: string | undefined): Refused {
  const hint =
    status === 401 || status === 403
      ? `set RTKIT_CACHE_TOKEN to a token that the server accepts${token === undefined ? "" : "; it refuses this one"}`
      : status === 413
        ? "allow larger bodies (nginx: client_max_body_size 0); see docs/cache.md"
        : "check the server and cache.url; see docs/cache.md";
  return new Refused(`answered ${status} to ${method}`, hint);
}
