import * as http from "node:http";
import * as https from "node:https";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { errnoCode } from "../../core/errors.ts";

/** One request to the server. */
export interface Request {
  readonly method: "GET" | "HEAD" | "PUT";
  /** Below the server's URL: `ac/<key>`. */
  readonly path: string;
  readonly body?: { readonly size: number; readonly open: () => Readable };
  /** Bytes that are to come or go; decides how long all of it may take. */
  readonly bytes: number;
}

/** An answer; its body must be read or destroyed. */
export interface Answer {
  readonly status: number;
  /** Content-Length, when there is one. */
  readonly size: number | undefined;
  readonly body: Readable;
}

/** How to reach a server. */
export interface Server {
  readonly url: URL;
  readonly token: string | undefined;
  /** Milliseconds without a byte after which the server counts as gone. */
  readonly stallMs: number;
}

/** A server that answers more slowly than this is slower than building. */
const LEAST_BYTES_PER_MS = 512;

/** A server that did not answer as a server should. */
export class Unreachable extends Error {}

/**
 * Asks the server; the promise is for the head of the answer. Throws {@link Unreachable} when there is none, and the body
 * fails with it when it stalls. Redirects are not followed. Proxies are Node's own matter (http.setGlobalProxyFromEnv).
 */
export async function ask(server: Server, request: Request, signal: AbortSignal, again = true): Promise<Answer> {
  const { url, token, stallMs } = server;
  const { method, path, body, bytes } = request;
  const target = new URL(`${url.href.replace(/\/*$/, "/")}${path}`);
  const stop = new AbortController();
  const give = (reason: string) => (): void => stop.abort(new Unreachable(reason));
  const stalled = setTimeout(give(`said nothing for ${stallMs / 1000} s`), stallMs);
  const late = setTimeout(give("is too slow to be of use"), stallMs + bytes / LEAST_BYTES_PER_MS);
  const done = (): void => {
    clearTimeout(stalled);
    clearTimeout(late);
  };
  const abort = (): void => stop.abort(signal.reason);
  signal.addEventListener("abort", abort);
  const client = (target.protocol === "https:" ? https : http).request(target, {
    method,
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { "content-length": body.size, "content-type": "application/octet-stream" }),
    },
  });
  const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
  stop.signal.addEventListener("abort", () => client.destroy(stop.signal.reason as Error));
  client.once("response", resolve);
  client.on("error", reject);
  client.once("close", () => {
    done();
    signal.removeEventListener("abort", abort);
  });
  if (body === undefined) client.end();
  else {
    const content = body.open();
    content.on("data", () => stalled.refresh());
    // What goes wrong with the connection is told by the request itself.
    pipeline(content, client).catch(reject);
  }
  let answer: http.IncomingMessage;
  try {
    answer = await promise;
  } catch (error) {
    done();
    signal.throwIfAborted();
    // The server closed a connection that was kept open, at the moment we used it: not a failure of either.
    if (again && body === undefined && client.reusedSocket && errnoCode(error) === "ECONNRESET") {
      return ask(server, request, signal, false);
    }
    throw error instanceof Unreachable ? error : new Unreachable(describe(error));
  }
  stop.signal.addEventListener("abort", () => answer.destroy(stop.signal.reason as Error));
  stalled.refresh();
  answer.on("data", () => stalled.refresh()).pause();
  const length = answer.headers["content-length"];
  return { status: answer.statusCode ?? 0, size: length === undefined ? undefined : Number(length), body: answer };
}

/** All of a small body as text. Throws when it is longer than `limit` bytes. */
export async function readText(body: Readable, limit: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += (chunk as Buffer).length;
    if (size > limit) throw new Error(`is longer than ${limit} bytes`);
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function describe(error: unknown): string {
  // Several addresses of one name, each with its own failure.
  if (error instanceof AggregateError) return describe(error.errors[0]);
  return error instanceof Error ? error.message : String(error);
}
