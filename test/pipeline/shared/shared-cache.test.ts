import { mkdtemp } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { isCached, runStep } from "../../../src/pipeline/cache.ts";
import { openSharedCache, type SharedCacheOptions } from "../../../src/pipeline/shared/shared-cache.ts";
import type { Step } from "../../../src/pipeline/step.ts";
import { describeTree, type Tree } from "../../../src/pipeline/tree.ts";
import { scratchDir } from "../../scratch.ts";
import { countingStep, warnings, watchedContext } from "../fixtures.ts";
import { fakeServer, type FakeServer } from "./server.ts";

const scratch = scratchDir("rtkit-shared-");

let server: FakeServer;
beforeEach(async () => {
  server = await fakeServer();
});
afterEach(() => server.close());

/** What a build on a machine of its own, with an empty cache, did. */
interface Built {
  readonly tree: Tree;
  readonly cached: boolean;
  readonly warnings: readonly string[];
  readonly hints: readonly (string | undefined)[];
}

async function build(step: Step, options: Partial<SharedCacheOptions> = {}): Promise<Built> {
  const context = watchedContext(await mkdtemp(join(scratch, "machine-")));
  const open = { url: server.url, token: undefined, secret: undefined, stallMs: 500, ...options };
  const shared = openSharedCache(context, open);
  const output = await runStep({ ...context, shared }, { ...step, shared: true });
  await shared.settle();
  const hints = context.events.flatMap((event) => (event.type === "warning" ? [event.hint] : []));
  return { tree: await describeTree(output.dir), cached: output.cached, warnings: warnings(context), hints };
}

it("what one machine made another fetches, and nothing is sent twice", async () => {
  const { step, runs } = countingStep("shared");
  const made = await build(step);
  expect(server.requests).toEqual(["GET /ac", "HEAD /cas", "PUT /cas", "PUT /ac"]);
  const fetched = await build(step);
  expect(server.requests.slice(4)).toEqual(["GET /ac", "GET /cas"]);
  expect(fetched).toEqual({ ...made, cached: true });
  expect(runs()).toBe(1);
  await build({ ...step, inputs: { other: "way to the same" } });
  expect(server.requests.slice(6)).toEqual(["GET /ac", "HEAD /cas", "PUT /ac"]);
});

it("leaves steps alone that are not worth it", async () => {
  const context = watchedContext(await mkdtemp(join(scratch, "machine-")));
  const shared = openSharedCache(context, { url: server.url, token: undefined, secret: undefined });
  await runStep({ ...context, shared }, countingStep("small").step);
  await shared.settle();
  expect(server.requests).toEqual([]);
});

it("knows before it fetches what it will not have to run", async () => {
  const step: Step = { ...countingStep("known").step, shared: true };
  await build(step);
  const context = watchedContext(await mkdtemp(join(scratch, "machine-")));
  const shared = openSharedCache(context, { url: server.url, token: undefined, secret: undefined });
  expect(await isCached({ ...context, shared }, step)).toBe(true);
  expect(await isCached({ ...context, shared }, { ...step, inputs: "unknown" })).toBe(false);
});

it("sends the token with every request and tells it to nobody else", async () => {
  const built = await build(countingStep("token").step, { token: "t0ken" });
  expect(built.warnings).toEqual([]);
  expect(server.headers.every(({ authorization }) => authorization === "Bearer t0ken")).toBe(true);
  server.lie = (_, response) => Boolean(response.writeHead(401).end("t0ken?"));
  const refused = await build(countingStep("refused").step, { token: "t0ken" });
  expect(JSON.stringify([refused.warnings, refused.hints])).not.toContain("t0ken");
  expect(refused.hints[0]).toContain("RTKIT_CACHE_TOKEN");
});

it("is read only without a word where writing is refused", async () => {
  server.lie = (request, response) =>
    request.method === "PUT" && Boolean(request.resume() && response.writeHead(403).end());
  const built = await build(countingStep("reader").step);
  expect(built).toMatchObject({ cached: false, warnings: [] });
  expect(server.requests).toEqual(["GET /ac", "HEAD /cas", "PUT /cas"]);
});

it("says what to change when bodies are too large for the server", async () => {
  server.lie = (request, response) =>
    request.method === "PUT" && Boolean(request.resume() && response.writeHead(413).end());
  expect((await build(countingStep("large").step)).hints[0]).toContain("client_max_body_size");
});

type Lie = FakeServer["lie"];

function blob(path: string): Buffer {
  return server.blobs.get(path) ?? Buffer.alloc(0);
}

function send(status: number, body: string | Buffer): Lie {
  return (_, response) => Boolean(response.writeHead(status).end(body));
}

describe("a server that lies costs time and one warning, never correctness:", () => {
  const on =
    (folder: string, answer: Lie): Lie =>
    (request, response) =>
      request.method === "GET" && request.url?.startsWith(`/${folder}/`) === true && answer(request, response);
  const html = "<!doctype html><title>Please log in</title>";

  const lies: Readonly<Record<string, Lie>> = {
    "a page for every record": on("ac", send(200, html)),
    "a page for every archive": on("cas", send(200, html)),
    "a record without end": on("ac", (_, response) => Boolean(response.end(Buffer.alloc(100_000, "{")))),
    "an archive that is cut off": on("cas", ({ url = "" }, response) =>
      Boolean(response.end(blob(url).subarray(0, -9))),
    ),
    "a connection that breaks": on("cas", ({ url = "" }, response) => {
      response.writeHead(200, { "content-length": blob(url).length });
      response.write(blob(url).subarray(0, 99), () => response.destroy());
      return true;
    }),
    "a byte that flipped": on("cas", ({ url = "" }, response) => {
      const bytes = Buffer.from(blob(url));
      bytes[bytes.length - 30] = (bytes[bytes.length - 30] ?? 0) ^ 1;
      return Boolean(response.end(bytes));
    }),
    "an archive with more behind it": on("cas", ({ url = "" }, response) =>
      Boolean(response.end(Buffer.concat([blob(url), Buffer.alloc(500)]))),
    ),
    "the archive of another step": on("cas", ({ url = "" }, response) => {
      const other = [...server.blobs.keys()].find((path) => path.startsWith("/cas/") && path !== url) ?? "";
      return Boolean(response.end(blob(other)));
    }),
    "the record of another step": on("ac", ({ url = "" }, response) => {
      const other = [...server.blobs.keys()].find((path) => path.startsWith("/ac/") && path !== url) ?? "";
      return Boolean(response.end(blob(other)));
    }),
    "the output of another step under the right key": on("ac", ({ url = "" }, response) => {
      const other = [...server.blobs.keys()].find((path) => path.startsWith("/ac/") && path !== url) ?? "";
      const record = JSON.parse(String(blob(url))) as { archive: unknown };
      const { archive } = JSON.parse(String(blob(other))) as { archive: unknown };
      return Boolean(response.end(JSON.stringify({ ...record, archive })));
    }),
    "an error": send(503, "down"),
    "a redirect": (_, response) => Boolean(response.writeHead(302, { location: "/elsewhere" }).end()),
    "nothing but 200": send(200, ""),
    "an archive that stops coming": on("cas", ({ url = "" }, response) => {
      response.writeHead(200, { "content-length": blob(url).length });
      return response.write(blob(url).subarray(0, 99));
    }),
    silence: () => true,
    "a closed connection": (request) => Boolean(request.socket.destroy()),
  };

  for (const [what, lie] of Object.entries(lies)) {
    it(what, async () => {
      const { step } = countingStep("right");
      const honest = await build(step);
      await build(countingStep("other").step);
      server.lie = lie;
      const built = await build(step);
      expect(built.tree).toEqual(honest.tree);
      expect(built.cached).toBe(false);
      expect(built.warnings).toHaveLength(1);
      expect(built.warnings[0]).toContain(server.url.host);
      expect(built.hints[0]).toBeTruthy();
      server.lie = () => false;
      expect(await build(step)).toEqual({ ...honest, cached: true });
    });
  }
});

it("a record whose archive the server gave up is no lie, and gets a new one", async () => {
  const { step } = countingStep("given up");
  const made = await build(step);
  for (const path of server.blobs.keys()) if (path.startsWith("/cas/")) server.blobs.delete(path);
  expect(await build(step)).toEqual({ ...made, cached: false });
  expect(await build(step)).toEqual({ ...made, cached: true });
});

it("mends what is damaged on the server", async () => {
  const { step, runs } = countingStep("mended");
  await build(step);
  const path = [...server.blobs.keys()].find((name) => name.startsWith("/cas/")) ?? "";
  server.blobs.set(path, Buffer.alloc(server.blobs.get(path)?.length ?? 0));
  expect(await build(step)).toMatchObject({ cached: false });
  expect(await build(step)).toMatchObject({ cached: true, warnings: [] });
  expect(runs()).toBe(2);
});

it("does not ask again in the same build once there is nobody", async () => {
  // A port that nobody listens on any more.
  const probe = createServer();
  const port = await new Promise<number>((resolve) =>
    probe.listen(0, "127.0.0.1", () => resolve((probe.address() as { port: number }).port)),
  );
  await new Promise((resolve) => probe.close(resolve));
  const context = watchedContext(await mkdtemp(join(scratch, "machine-")));
  const url = new URL(`http://127.0.0.1:${port}/`);
  const shared = openSharedCache(context, { url, token: undefined, secret: undefined });
  for (const input of ["a", "b"]) await runStep({ ...context, shared }, { ...countingStep(input).step, shared: true });
  await shared.settle();
  expect(warnings(context)).toHaveLength(1);
  expect(warnings(context)[0]).toContain("ECONNREFUSED");
});

it("with a secret, takes nothing from who does not know it, though the server is honest", async () => {
  const { step, runs } = countingStep("signed");
  await build(step, { secret: "of somebody else" });
  const built = await build(step, { secret: "ours" });
  expect(built).toMatchObject({ cached: false });
  expect(built.warnings[0]).toContain("not signed");
  expect(await build(step, { secret: "ours" })).toMatchObject({ cached: true, warnings: [] });
  expect(runs()).toBe(2);
});

it("an interrupted build does not wait for what it was sending", async () => {
  const context = watchedContext(await mkdtemp(join(scratch, "machine-")));
  const shared = openSharedCache(context, { url: server.url, token: undefined, secret: undefined });
  const asked = new Promise<void>((resolve) => {
    server.lie = (request) => request.method === "PUT" && (resolve(), true);
  });
  await runStep({ ...context, shared }, { ...countingStep("cut").step, shared: true });
  const settled = expect(shared.settle()).rejects.toThrow("interrupted");
  await asked;
  context.abort.abort(new Error("interrupted"));
  await settled;
  expect(warnings(context)).toEqual([]);
});
