import { createHash } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { cacheDir } from "../../src/core/paths.ts";
import { chooseMirror, parseMirror, type DebianMirror } from "../../src/rootfs/mirror.ts";

/** One request that the server was asked. */
interface Asked {
  /** As it is on the mirror, decoded: `/debian/pool/main/…`. */
  readonly path: string;
  /** The time below which it stood, when it was asked of the snapshot archive. */
  readonly snapshot: string | undefined;
  /** True when the client took the server for its proxy. */
  readonly proxied: boolean;
  /** The status that it was answered with; undefined when it was not answered. */
  status: number | undefined;
}

/** What a mirror that means harm, or is broken, sends in place of a file: other bytes, a status, or nothing at all. */
export type Tampering = ((body: Buffer) => Buffer) | number | "stall";

/** A mirror of Debian's archive on this machine: what the real one has, except for what a test changes. */
export interface MirrorServer {
  /** For `--mirror` and RTKIT_DEBIAN_MIRROR. */
  readonly uri: string;
  /** For RTKIT_DEBIAN_SNAPSHOT: has the same files for every time. */
  readonly snapshots: string;
  readonly mirror: DebianMirror;
  /** `HOST:PORT`, which must not be told. */
  readonly host: string;
  readonly asked: Asked[];
  /** From now on, answers requests whose path (with that of the snapshot, if any) matches in this way. */
  readonly tamper: (path: RegExp, how: Tampering) => void;
  /** Forgets what was asked and what to change. */
  readonly reset: () => void;
  readonly close: () => void;
}

/** Bodies that the real mirror sent; the whole test suite fetches each once. */
const KEPT = "test-mirror";

/** A path below which the archive's files never change. */
const IMMUTABLE = /\/pool\/|\/by-hash\//;

/** Starts a server that passes on what the mirror of this host has. It ends with the test unless `forFile` says who ends it. */
export async function startMirror(options: { readonly forFile?: true } = {}): Promise<MirrorServer> {
  const real = await chooseMirror(undefined);
  const asked: Asked[] = [];
  const tampering: { path: RegExp; how: Tampering }[] = [];
  const moving = new Map<string, Promise<Body>>();

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? "/", "http://here");
    const [, time, path = ""] =
      /^(?:\/archive\/(debian(?:-security)?\/\w+))?(\/.*)$/.exec(decodeURIComponent(url.pathname)) ?? [];
    const [archive, snapshot] = time?.split("/") ?? [];
    const known: Asked = {
      path: archive === undefined ? path : `/${archive}${path}`,
      snapshot,
      proxied: request.url?.startsWith("http:") === true,
      status: undefined,
    };
    asked.push(known);
    const how = tampering.findLast((each) => each.path.test(decodeURIComponent(url.pathname)))?.how;
    if (how === "stall") return;
    const body = typeof how === "number" ? { status: how, bytes: Buffer.from("no") } : await fetchReal(known.path);
    const bytes = typeof how === "function" && body.status === 200 ? how(body.bytes) : body.bytes;
    const date = /^Date: (.+)$/m.exec(bytes.subarray(0, 1000).toString("latin1"))?.[1];
    const unchanged = date !== undefined && request.headers["if-modified-since"] === new Date(date).toUTCString();
    known.status = unchanged ? 304 : body.status;
    response.writeHead(known.status, {
      ...(date === undefined ? {} : { "last-modified": new Date(date).toUTCString() }),
      ...(unchanged ? {} : { "content-length": bytes.length }),
    });
    response.end(unchanged ? undefined : bytes);
  };

  const fetchReal = async (path: string): Promise<Body> => {
    const [, archive, rest] = /^\/(debian|debian-security)(\/.*)$/.exec(path) ?? [];
    if (archive === undefined || rest === undefined) return { status: 404, bytes: Buffer.from("no") };
    const from = `${archive === "debian" ? real.archive : real.security}${rest.split("/").map(encodeURIComponent).join("/")}`;
    if (IMMUTABLE.test(path)) return fetchKept(from);
    // Asked for once, so that all tests of a server see one state of the archive.
    const body = moving.get(path) ?? fetchBody(from);
    moving.set(path, body);
    return body;
  };

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = (): void => {
    server.close();
    server.closeAllConnections();
  };
  if (options.forFile !== true) onTestFinished(close);
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const uri = `http://${host}/debian`;
  return {
    uri,
    snapshots: `http://${host}/archive`,
    mirror: parseMirror(uri, "--mirror"),
    host,
    asked,
    tamper: (path, how) => void tampering.push({ path, how }),
    reset: () => {
      asked.length = 0;
      tampering.length = 0;
    },
    close,
  };
}

interface Body {
  readonly status: number;
  readonly bytes: Buffer;
}

async function fetchBody(url: string): Promise<Body> {
  const response = await fetch(url, { headers: { "accept-encoding": "identity" } });
  return { status: response.status, bytes: Buffer.from(await response.arrayBuffer()) };
}

async function fetchKept(url: string): Promise<Body> {
  const file = join(cacheDir(), KEPT, createHash("sha256").update(url).digest("hex"));
  const kept = await readFile(file).catch(() => undefined);
  if (kept !== undefined) return { status: 200, bytes: kept };
  const body = await fetchBody(url);
  if (body.status === 200) {
    await mkdir(join(cacheDir(), KEPT), { recursive: true });
    const temporary = `${file}.${process.pid}.${performance.now()}`;
    await writeFile(temporary, body.bytes);
    await rename(temporary, file);
  }
  return body;
}

/** The same bytes with another one in the middle. */
export function withChangedByte(bytes: Buffer): Buffer {
  const changed = Buffer.from(bytes);
  const middle = changed.length >> 1;
  changed[middle] = changed.readUInt8(middle) ^ 1;
  return changed;
}
