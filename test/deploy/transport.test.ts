import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createConnection, createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { exec, execEnd, shellQuote } from "../../src/core/exec.ts";
import { rtkitRoot } from "../../src/core/paths.ts";
import { withConnections } from "../../src/deploy/connect-all.ts";
import { connect, type Connection } from "../../src/deploy/transport.ts";
import { freePort } from "../../src/emulate/free-port.ts";
import { scratchDir } from "../scratch.ts";
import { fakeBoard, makeOperator, type FakeBoard, type Operator } from "./sshd.ts";

let operator: Operator;
let board: FakeBoard;
let temporary: string;
beforeEach(async () => {
  operator = await makeOperator();
  board = await fakeBoard(operator);
  temporary = scratchDir("rtkit-tmp-");
  vi.stubEnv("TMPDIR", temporary);
  return () => vi.unstubAllEnvs();
});

const { signal } = new AbortController();

it("a board that is not in known_hosts is refused, and taken with accept-new", async () => {
  const strict = { ...operator.settings, acceptNew: false };
  await expect(connect(board.address, strict, signal)).rejects.toMatchObject({ code: "RTK_SSH_HOST_KEY_UNKNOWN" });
  expect(existsSync(operator.knownHosts)).toBe(false);
  await (await connect(board.address, operator.settings, signal)).close();
  expect(readFileSync(operator.knownHosts, "utf8")).toContain(`[127.0.0.1]:${board.address.port} ssh-ed25519 `);
  await (await connect(board.address, strict, signal)).close();
});

it("a board whose name is hashed in known_hosts is known", async () => {
  await (await connect(board.address, operator.settings, signal)).close();
  await exec("ssh-keygen", ["-H", "-f", operator.knownHosts]);
  expect(readFileSync(operator.knownHosts, "utf8")).toMatch(/^\|1\|/);
  await (await connect(board.address, { ...operator.settings, acceptNew: false }, signal)).close();
});

it("a changed host key is refused with the line of known_hosts, also with accept-new", async () => {
  const { port } = board.address;
  const key = (await exec("ssh-keygen", ["-y", "-f", join(operator.dir, "key")])).stdout.trim();
  writeFileSync(operator.knownHosts, `# boards\n[127.0.0.1]:${port} ${key}\n`);
  const error = await connect(board.address, operator.settings, signal).catch((reason: unknown) => reason);
  expect(error).toMatchObject({
    code: "RTK_SSH_HOST_KEY_CHANGED",
    where: { file: operator.knownHosts, line: 2 },
    hint: expect.stringContaining(`ssh-keygen -f ${operator.knownHosts} -R '[127.0.0.1]:${port}'`),
  });
});

it("a revoked host key is refused", async () => {
  const key = (await exec("ssh-keygen", ["-y", "-f", board.hostKey])).stdout.trim();
  writeFileSync(operator.knownHosts, `@revoked * ${key}\n`);
  await expect(connect(board.address, operator.settings, signal)).rejects.toMatchObject({
    code: "RTK_SSH_HOST_KEY_REVOKED",
  });
});

it("says when nobody listens, when there is no such host, and when no key is taken", async () => {
  const port = await freePort();
  await expect(connect({ ...board.address, port }, operator.settings, signal)).rejects.toMatchObject({
    code: "RTK_SSH_REFUSED",
    message: `127.0.0.1:${port} is there and has no ssh server on that port`,
  });
  const nowhere = { ...board.address, host: "board.invalid" };
  await expect(connect(nowhere, operator.settings, signal)).rejects.toMatchObject({ code: "RTK_SSH_HOST_NOT_FOUND" });
  expect(readdirSync(temporary)).toEqual([]);
  const stranger = await makeOperator();
  await expect(connect(board.address, stranger.settings, signal)).rejects.toMatchObject({ code: "RTK_SSH_LOGIN" });
});

it("what is sent goes compressed", async () => {
  let bytes = 0;
  const between = createServer((client) => {
    client.on("data", ({ length }) => (bytes += length));
    client.pipe(createConnection(board.address.port ?? 0, "127.0.0.1")).pipe(client);
  }).listen(0, "127.0.0.1");
  await once(between, "listening");
  const { port } = between.address() as AddressInfo;
  const text = "a line of a bundle is much like the next\n".repeat(10_000);
  board.before("exec wc -c");
  const connection = await connect({ ...board.address, port }, operator.settings, signal);
  try {
    const { stdout } = await connection.run("count", { stdin: Readable.from([text]) });
    expect(Number(stdout)).toBe(text.length);
    expect(bytes).toBeLessThan(text.length / 10);
  } finally {
    await connection.close();
    between.close();
  }
});

it("what ssh says and nobody knows is shown as it is", async () => {
  const config = join(operator.dir, "broken");
  writeFileSync(config, "NoSuchWord yes\n");
  const error = await connect(board.address, { ...operator.settings, config }, signal).catch(
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ code: "RTK_SSH_FAILED", message: expect.stringContaining("nosuchword") });
});

it("commands share one connection, in a folder that is private and removed at the end", async () => {
  const connection = await connect(board.address, operator.settings, signal);
  const [folder] = readdirSync(temporary);
  expect(statSync(join(temporary, folder ?? "")).mode & 0o777).toBe(0o700);
  board.before('cat; echo "$SSH_CONNECTION" >&2; exit 3');
  const ends = await Promise.all([connection.run("one", { stdin: Readable.from(["sent\n"]) }), connection.run("two")]);
  expect(ends.map(({ status, stdout }) => ({ status, stdout }))).toEqual([
    { status: 3, stdout: "sent\n" },
    { status: 3, stdout: "" },
  ]);
  // The port that it came from is the same.
  expect(ends[0].stderr).toBe(ends[1].stderr);
  const lines: string[] = [];
  board.before("echo a; echo b; exit 0");
  await connection.run("three", { onLine: (line) => lines.push(line) });
  expect(lines).toEqual(["a", "b"]);
  await connection.close();
  expect(readdirSync(temporary)).toEqual([]);
});

it("a board that says nothing for too long counts as lost, and the connection can still be closed", async () => {
  const connection = await connect(board.address, operator.settings, signal);
  board.before("sleep 60");
  await expect(connection.run("anything", { timeoutMs: 300 })).rejects.toMatchObject({
    code: "RTK_SSH_LOST",
    message: expect.stringContaining("does not answer any more"),
  });
  await connection.close();
  expect(readdirSync(temporary)).toEqual([]);
});

it("a connection that is gone is not made anew behind our back", async () => {
  const connection = await connect(board.address, operator.settings, signal);
  board.before('kill -9 "$PPID"');
  await expect(connection.run("one")).rejects.toMatchObject({ code: "RTK_SSH_LOST" });
  board.before("");
  await expect(connection.run("two")).rejects.toMatchObject({ code: "RTK_SSH_LOST" });
  expect(board.commands()).toEqual(["one"]);
  await connection.close();
});

/** The port that a connection comes from. */
async function cameFrom({ run }: Connection): Promise<string> {
  board.before('echo "$SSH_CONNECTION"; exit 0');
  return (await run("port")).stdout.split(" ")[1] ?? "";
}

describe("boards to visit", () => {
  it("stay connected when they are few; one that cannot be reached is told beside them", async () => {
    const addresses = [board.address, { ...board.address, host: "board.invalid" }];
    const options = { settings: operator.settings, concurrency: 2, signal };
    await withConnections(addresses, options, async ([near, nowhere]) => {
      expect(await near?.visit(cameFrom)).toBe(await near?.visit(cameFrom));
      await expect(nowhere?.visit(cameFrom)).rejects.toMatchObject({ code: "RTK_SSH_HOST_NOT_FOUND" });
    });
    expect(readdirSync(temporary)).toEqual([]);
  });

  it("are connected while they are visited when they are many", async () => {
    const addresses = [board.address, { ...board.address, host: "localhost" }];
    await withConnections(addresses, { settings: operator.settings, concurrency: 1, signal }, async ([near]) => {
      expect(readdirSync(temporary)).toEqual([]);
      expect(await near?.visit(cameFrom)).not.toBe(await near?.visit(cameFrom));
      expect(readdirSync(temporary)).toEqual([]);
    });
  });

  it("are connected anew after the connection was lost", async () => {
    const options = { settings: operator.settings, concurrency: 1, signal };
    await withConnections([board.address], options, async ([near]) => {
      board.before('kill -9 "$PPID"');
      await expect(near?.visit(async ({ run }) => run("one"))).rejects.toMatchObject({ code: "RTK_SSH_LOST" });
      expect(await near?.visit(cameFrom)).toMatch(/^\d+$/);
    });
  });
});

/** The words of a command of rtkit for the board, without `--accept-new`. */
function rtkitWords(command: string): string[] {
  const { user, host, port } = board.address;
  return [command, "--host", `${user}@${host}:${port}`, "--ssh-config", operator.settings.config ?? ""];
}

it("on a terminal it shows the fingerprint of a board that it does not know, and asks", async () => {
  const { stdout: fingerprint } = await exec("ssh-keygen", ["-l", "-f", `${board.hostKey}.pub`]);
  const command = shellQuote([join(rtkitRoot, "bin/rtkit"), ...rtkitWords("status")]);
  const terminal = spawn("script", ["--quiet", "--return", "--command", command, "/dev/null"]);
  let seen = "";
  terminal.stdout.setEncoding("utf8").on("data", (text: string) => {
    if (!seen.includes("(yes/no") && `${seen}${text}`.includes("(yes/no")) terminal.stdin.write("yes\n");
    seen += text;
  });
  const [status] = (await once(terminal, "close")) as [number | null];
  expect(seen).toContain(fingerprint.split(" ")[1]);
  expect(seen).toContain("release none, previous none");
  expect(status).toBe(0);
  expect(readFileSync(operator.knownHosts, "utf8")).toContain(`[127.0.0.1]:${board.address.port} ssh-ed25519 `);
});

it("rtkit ssh gives its input and output to ssh, and ends with 1 when that fails", async () => {
  board.before('read -r word; echo "welcome $word"; exit "$word"');
  const rtkit = join(rtkitRoot, "bin/rtkit");
  const words = [...rtkitWords("ssh"), "--accept-new"];
  expect(await execEnd(rtkit, words, { input: "0\n" })).toMatchObject({ status: 0, stdout: "welcome 0\n" });
  expect(await execEnd(rtkit, words, { input: "7\n" })).toMatchObject({ status: 1, stdout: "welcome 7\n" });
});

it("Ctrl-C in the middle leaves no ssh and no folder", async () => {
  const reached = join(board.root, "reached");
  board.before(`: >'${reached}'; exec sleep 60`);
  const words = [...rtkitWords("status"), "--accept-new"];
  const rtkit = spawn(join(rtkitRoot, "bin/rtkit"), words, { stdio: "ignore" });
  while (!existsSync(reached) && rtkit.exitCode === null) await sleep(20);
  expect(readdirSync(temporary)).toHaveLength(1);
  rtkit.kill("SIGINT");
  const [status] = (await once(rtkit, "exit")) as [number | null];
  expect(status).toBe(130);
  expect(readdirSync(temporary)).toEqual([]);
  const processes = await exec("ps", ["-eo", "args"]);
  expect(processes.stdout).not.toContain(temporary);
});
