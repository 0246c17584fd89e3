import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { withCaches } from "../../src/cli/build/caches.ts";
import { runStep } from "../../src/pipeline/cache.ts";
import { countingStep, warnings, watchedContext, type Watched } from "../pipeline/fixtures.ts";
import { fakeServer, type FakeServer } from "../pipeline/shared/server.ts";
import { scratchDir } from "../scratch.ts";

const scratch = scratchDir("rtkit-caches-");

let server: FakeServer;
let context: Watched;
beforeEach(async () => {
  server = await fakeServer();
  context = watchedContext(await mkdtemp(join(scratch, "cache-")));
});
afterEach(() => server.close());

/** A build of one step whose output is shared. */
async function build(url: string | null, env: NodeJS.ProcessEnv = {}): Promise<void> {
  const step = { ...countingStep("a").step, shared: true };
  await withCaches(context, { cache: { url } }, (inner) => runStep(inner, step), env);
}

it("shares with the project's server", async () => {
  await build(server.url.href);
  expect(server.requests).toContain("PUT /ac");
});

it("shares with the server that the environment names, or with none", async () => {
  await build("http://nowhere.invalid/", { RTKIT_CACHE_URL: server.url.href, RTKIT_CACHE_TOKEN: "t0ken" });
  expect(server.requests).toContain("PUT /ac");
  expect(server.headers[0]?.authorization).toBe("Bearer t0ken");
  const before = server.requests.length;
  await build(server.url.href, { RTKIT_CACHE_URL: "" });
  expect(server.requests).toHaveLength(before);
});

it("says so when the environment's server is none", async () => {
  for (const url of ["cache.example.com", "ftp://cache.example.com/"]) {
    await expect(build(null, { RTKIT_CACHE_URL: url })).rejects.toMatchObject({ code: "RTK_CACHE_URL", exitStatus: 2 });
  }
});

it("goes through the environment's proxy", async () => {
  await build("http://cache.invalid/team/", { http_proxy: server.url.href });
  // A proxy is asked for the whole URL.
  expect([...server.blobs.keys()].every((url) => url.startsWith("http://cache.invalid/team/"))).toBe(true);
  expect(server.blobs.size).toBe(2);
  expect(warnings(context)).toEqual([]);
});

it("sends what was made also when the build fails later", async () => {
  const failing = withCaches(
    context,
    { cache: { url: server.url.href } },
    async (inner) => {
      await runStep(inner, { ...countingStep("a").step, shared: true });
      throw new Error("broken");
    },
    {},
  );
  await expect(failing).rejects.toThrow("broken");
  expect(server.requests).toContain("PUT /ac");
});
