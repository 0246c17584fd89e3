import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, writeFile } from "node:fs/promises";
import { createConnection } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { rtkitRoot } from "../../../src/core/paths.ts";
import { findProgram } from "../../../src/core/programs.ts";
import { freePort } from "../../../src/emulate/free-port.ts";
import { runStep } from "../../../src/pipeline/cache.ts";
import { openSharedCache } from "../../../src/pipeline/shared/shared-cache.ts";
import { describeTree, type Tree } from "../../../src/pipeline/tree.ts";
import { scratchDir } from "../../scratch.ts";
import { countingStep, warnings, watchedContext } from "../fixtures.ts";

const scratch = scratchDir("rtkit-nginx-");

/** Debian's user without rights. */
const NOBODY = 65_534;

/** The configuration that docs/cache.md tells people to paste, with this test's folder and port. */
async function documentedConfig(root: string, port: number): Promise<string> {
  const docs = await readFile(join(rtkitRoot, "docs", "cache.md"), "utf8");
  const text = /```nginx\n(.*?)```/s.exec(docs)?.[1] ?? "";
  expect(text).toContain("listen 8080;");
  return text.replaceAll("/srv/rtkit-cache", root).replace("listen 8080;", `listen 127.0.0.1:${port};`);
}

async function startNginx(root: string, port: number, user: number | undefined): Promise<ChildProcess> {
  const config = join(root, "nginx.conf");
  const temporary = ["proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path ${root}/${kind};`);
  await writeFile(
    config,
    [
      "daemon off;",
      // Without it the workers of root's nginx are another user, who may not enter this folder.
      process.getuid?.() === 0 && user === undefined ? "user root;" : "",
      `pid ${root}/nginx.pid;`,
      `error_log ${root}/error.log;`,
      "events {}",
      `http { access_log off; ${temporary.join(" ")}`,
      await documentedConfig(root, port),
      "}",
    ].join("\n"),
  );
  const nginx = findProgram("nginx");
  if (nginx === undefined) throw new Error("nginx is not installed: run scripts/setup --tests");
  const child = spawn(nginx, ["-e", join(root, "error.log"), "-c", config], {
    stdio: ["ignore", "ignore", "inherit"],
    ...(user === undefined ? {} : { uid: user, gid: user }),
  });
  await vi.waitFor(async () => expect(await answers(port)).toBe(true), { timeout: 10_000 });
  return child;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(port, "127.0.0.1", () => resolve(true));
    socket.on("error", () => resolve(false)).on("close", () => socket.destroy());
    socket.on("connect", () => socket.end());
  });
}

const users = process.getuid?.() === 0 ? [undefined, NOBODY] : [undefined];

describe.each(users)("nginx as user %s, as the documentation configures it", (user) => {
  let root: string;
  let url: URL;
  let nginx: ChildProcess;
  beforeAll(async () => {
    const port = await freePort();
    url = new URL(`http://127.0.0.1:${port}`);
    const parent = await mkdtemp(join(scratch, "server-"));
    root = join(parent, "root");
    await mkdir(root);
    if (user !== undefined) {
      await chmod(scratch, 0o755);
      for (const path of [parent, root]) await chown(path, user, user);
    }
    nginx = await startNginx(root, port, user);
  });
  afterAll(async () => {
    nginx.kill("SIGTERM");
    await once(nginx, "exit");
  });

  async function build(input: string, token?: string): Promise<{ tree: Tree; cached: boolean; warnings: string[] }> {
    const context = watchedContext(await mkdtemp(join(scratch, "machine-")));
    const shared = openSharedCache(context, { url, token, secret: undefined });
    const output = await runStep({ ...context, shared }, { ...countingStep(input).step, shared: true });
    await shared.settle();
    return { tree: await describeTree(output.dir), cached: output.cached, warnings: warnings(context) };
  }

  it("keeps what those with the token made, for all", async () => {
    const made = await build("step", "change-me");
    expect(made).toMatchObject({ cached: false, warnings: [] });
    expect(await build("step")).toEqual({ ...made, cached: true });
    expect(await readdir(join(root, "ac"))).toHaveLength(1);
    expect(await readdir(join(root, "cas"))).toHaveLength(1);
  });

  it("takes nothing from others, who notice nothing", async () => {
    expect(await build("unwanted", "CHANGE-ME")).toMatchObject({ cached: false, warnings: [] });
    expect(await build("unwanted")).toMatchObject({ cached: false, warnings: [] });
  });

  it("is not believed when its disk is damaged, and is mended", async () => {
    const made = await build("damaged", "change-me");
    for (const name of await readdir(join(root, "cas"))) {
      const path = join(root, "cas", name);
      const content = await readFile(path);
      content[40] = (content[40] ?? 0) ^ 1;
      await writeFile(path, content);
    }
    const again = await build("damaged", "change-me");
    expect(again).toMatchObject({ tree: made.tree, cached: false });
    expect(again.warnings).toHaveLength(1);
    expect(await build("damaged")).toEqual({ ...made, cached: true });
  });
});
