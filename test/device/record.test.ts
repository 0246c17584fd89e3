import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { utimesSync } from "node:fs";
import { delimiter, join } from "node:path";
import { execa } from "execa";
import * as fc from "fast-check";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { exec } from "../../src/core/exec.ts";
import { rtkitRoot } from "../../src/core/paths.ts";
import { formatRecord, recordStream, type DeployRecord } from "../../src/deploy/record.ts";
import { releaseStream } from "../../src/deploy/stream.ts";
import { anyRecord } from "../deploy/records.ts";
import { releaseOf } from "../deploy/releases.ts";
import { scratchDir } from "../scratch.ts";

const program = join(rtkitRoot, "src", "device", "rtnodectl");
const FIRST = releaseOf({ name: "imu" });
const SECOND = releaseOf({ name: "imu", version: "2" });
const THIRD = releaseOf({ name: "imu", version: "3" });

/** A record of the second release. */
const RECORD: DeployRecord = {
  release: SECOND.id,
  time: 1_790_000_000,
  git: "0123456789abcdef0123456789abcdef01234567",
  description: "v1.2-3-g0123456-dirty",
  dirty: true,
  user: "ada",
  host: "bench",
};

let root: string;
let keys: string;

interface Outcome {
  readonly status: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

const boardEnv = (): Record<string, string> => ({
  RTNODE_ROOT: root,
  PATH: `${join(root, "bin")}${delimiter}${process.env["PATH"] ?? ""}`,
});

async function rtnodectl(words: readonly string[], input: string | Buffer = ""): Promise<Outcome> {
  const isOrder = ["activate", "rollback"].includes(words[0] ?? "");
  const sent = isOrder && input.length > 0 ? ["--record"] : [];
  const { exitCode, stdout, stderr } = await execa("sh", [program, ...words, ...sent], {
    env: boardEnv(),
    input,
    reject: false,
  });
  return { status: exitCode, stdout, stderr };
}

async function done(words: readonly string[], input: string | Buffer = ""): Promise<string> {
  const outcome = await rtnodectl(words, input);
  expect(outcome).toMatchObject({ status: 0 });
  return outcome.stdout;
}

const activation = (id: string): string[] => ["activate", id, "--confirm-within", "30"];
const opt = (path: string): string => join(root, "opt/rtnode", path);
const current = (): string => readlinkSync(opt("current")).replace("releases/", "");
const kept = (id: string, file = "record"): string | null => {
  const path = opt(`releases/${id}/${file}`);
  return existsSync(path) ? readFileSync(path, "utf8") : null;
};
const statusOf = async (): Promise<Record<string, unknown>> =>
  JSON.parse(await done(["status", "--json"])) as Record<string, unknown>;

/** What ssh-keygen says with a key: the signature of a text. */
async function sign(text: string, key = "release", namespace = "rtkit-release"): Promise<string> {
  const words = ["-Y", "sign", "-n", namespace, "-f", join(keys, key)];
  return (await exec("ssh-keygen", words, { input: text })).stdout;
}

/** A signed order's standard input. */
async function signed(record: DeployRecord, key = "release", namespace?: string): Promise<Buffer> {
  return recordStream({ record, signature: await sign(formatRecord(record), key, namespace) });
}

/** Makes the board one that takes only what `release` signed. */
function requireSignatures(): void {
  mkdirSync(join(root, "etc/rtnode"), { recursive: true });
  const line = `release namespaces="rtkit-release" ${readFileSync(join(keys, "release.pub"), "utf8")}`;
  writeFileSync(join(root, "etc/rtnode/allowed_signers"), line);
}

/** What ssh-keygen says of the record and the signature that a release has. */
async function verifyByHand(id: string): Promise<string> {
  const [signers, signature] = [join(root, "etc/rtnode/allowed_signers"), opt(`releases/${id}/record.sig`)];
  const words = ["-Y", "verify", "-f", signers, "-I", "release", "-n", "rtkit-release", "-s", signature];
  return (await exec("ssh-keygen", words, { input: kept(id) ?? "" })).stdout;
}

beforeAll(async () => {
  keys = scratchDir("rtnode-keys-");
  for (const key of ["release", "other"]) {
    await exec("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", key, "-f", join(keys, key)]);
  }
});

beforeEach(async () => {
  root = scratchDir("rtnode-record-");
  for (const dir of ["opt/rtnode/releases", "run", "bin", "usr/lib/rtnode"]) {
    mkdirSync(join(root, dir), { recursive: true });
  }
  writeFileSync(join(root, "usr/lib/rtnode/groups"), "");
  for (const name of ["systemctl", "systemd-run", "sync"]) {
    writeFileSync(join(root, "bin", name), "#!/bin/sh\n", { mode: 0o755 });
  }
  for (const made of [FIRST, SECOND, THIRD]) {
    await done(["receive", made.id], Buffer.concat(releaseStream(made, new Set()).chunks));
  }
  symlinkSync(`releases/${FIRST.id}`, opt("current"));
});

test("an order without a record waits for nothing, whatever its standard input is", async () => {
  const child = execa("sh", [program, ...activation(SECOND.id)], {
    env: { RTNODE_ROOT: root, PATH: `${join(root, "bin")}${delimiter}${process.env["PATH"] ?? ""}` },
    stdin: "pipe",
  });
  await child;
  expect(current()).toBe(SECOND.id);
});

test.each([[["activate", SECOND.id, "--confirm-within", "30", "--recorded"]], [["rollback", SECOND.id, "--recorded"]]])(
  "%j is usage",
  async (words) => {
    expect((await rtnodectl(words)).status).toBe(2);
  },
);

describe("a record", () => {
  test("stands beside its release when that became current, and status and record say it", async () => {
    expect(await statusOf()).toMatchObject({ record: null, signed: false, newestRecord: 0 });
    await done(activation(SECOND.id), recordStream({ record: RECORD, signature: null }));
    expect(kept(SECOND.id)).toBe(formatRecord(RECORD));
    expect(await statusOf()).toMatchObject({ release: SECOND.id, record: RECORD });
    expect(`${await done(["record", SECOND.id])}\n`).toBe(formatRecord(RECORD));
    expect(await done(["record", FIRST.id])).toBe("");
  });

  test("of a release that goes back stays with it, and the older one's own is said again", async () => {
    const first = { release: FIRST.id, time: 1_780_000_000, user: "eva" };
    await done(activation(SECOND.id), recordStream({ record: RECORD, signature: null }));
    await done(["confirm", SECOND.id]);
    await done(["rollback"], recordStream({ record: first, signature: null }));
    expect(await statusOf()).toMatchObject({ release: FIRST.id, record: first });
    await done(activation(THIRD.id), recordStream({ record: { ...RECORD, release: THIRD.id }, signature: null }));
    await done(["revert", THIRD.id]);
    expect(await statusOf()).toMatchObject({ release: FIRST.id, record: first });
    expect(kept(THIRD.id)).not.toBeNull();
  });

  test("is gone when its release becomes current by an order without one", async () => {
    await done(activation(SECOND.id), recordStream({ record: RECORD, signature: null }));
    await done(["confirm", SECOND.id]);
    await done(["rollback"]);
    await done(["rollback", SECOND.id]);
    expect(await statusOf()).toMatchObject({ release: SECOND.id, record: null });
  });

  test("has no signature that a killed order of the same process number left", async () => {
    const words = activation(SECOND.id).join(" ");
    const script = `echo old >"$RTNODE_ROOT/opt/rtnode/.sent-$$.sig"; exec sh "$0" ${words} --record`;
    await execa("sh", ["-c", script, program], {
      env: boardEnv(),
      input: recordStream({ record: RECORD, signature: null }),
    });
    expect(existsSync(opt(`releases/${SECOND.id}/record`))).toBe(true);
    expect(existsSync(opt(`releases/${SECOND.id}/record.sig`))).toBe(false);
  });

  test("makes its release no younger: old ones are pruned by when they came", async () => {
    const came = new Date(1_700_000_000_000);
    utimesSync(opt(`releases/${SECOND.id}/SHA256SUMS`), came, came);
    await done(activation(SECOND.id), recordStream({ record: RECORD, signature: null }));
    expect(await done(["releases"])).toContain(`${SECOND.id} current ${came.getTime() / 1000}`);
  });

  test("may hold what JSON and shells take for their own", async () => {
    const record = { ...RECORD, user: `"a\\b" $(reboot) 'c'`, host: "-n `x` %s", description: "*" };
    await done(activation(SECOND.id), recordStream({ record, signature: null }));
    expect(await statusOf()).toMatchObject({ record });
  });

  test("of any user, machine and tag is taken, and said as it was", async () => {
    for (const any of fc.sample(anyRecord, 10)) {
      const record = { ...any, release: SECOND.id };
      await done(activation(SECOND.id), recordStream({ record, signature: null }));
      expect((await statusOf())["record"]).toEqual(record);
      await done(["revert", SECOND.id]);
    }
  });

  const good = formatRecord(RECORD);
  const ending = "does not belong into a record";
  test.each([
    ["of another release", formatRecord({ ...RECORD, release: THIRD.id }), "the record is not that of"],
    ["of no release", good.replace(/^release .*\n/, ""), "the record is not that of"],
    ["without a time", good.replace(/^time .*\n/m, ""), "does not say when"],
    ["that says a thing twice", `${good}user eve\n`, "says something twice"],
    ["with a key of its own", `${good}uid 0\n`, ending],
    ["with a line that is none", `${good}\n`, ending],
    ["with an empty value", good.replace("ada", ""), ending],
    ["with a time that is none", good.replace(/^time .*/m, "time 007"), ending],
    ["with a commit that is none", good.replace(/^git .*/m, "git HEAD"), ending],
    ["with a dirty that is neither", good.replace("dirty yes", "dirty maybe"), ending],
    ["with an escape", good.replace("ada", "a\u001B[2Jda"), ending],
    ["with a zero byte", good.replace("ada", "a\0host evil"), ending],
    ["with letters that are not ASCII", good.replace("ada", "adä"), ending],
    ["with a long value", good.replace("ada", "a".repeat(257)), ending],
    ["that is empty", "", "does not say when"],
  ])("%s is refused, and nothing changes", async (_, record, reason) => {
    const input = `RECORD ${Buffer.byteLength(record)}\n${record}END\n`;
    expect(await rtnodectl(activation(SECOND.id), input)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(reason),
    });
    expect([current(), kept(SECOND.id)]).toEqual([FIRST.id, null]);
    expect(existsSync(opt("pending"))).toBe(false);
  });

  test.each([
    ["what is no record", "hello\n", "what was sent is no record"],
    ["a size that is none", "RECORD 1x\n", "no size"],
    ["a size below zero", "RECORD -1\n", "no size"],
    ["more than 4 KiB", `RECORD 4097\n${"x".repeat(4097)}END\n`, "at most 4096 bytes"],
    ["a signature of more than 4 KiB", `RECORD 1\nxSIGNATURE 9999\n`, "at most 4096 bytes"],
    ["half a record", `RECORD ${good.length}\n${good.slice(0, 20)}`, "ended in the middle"],
    ["a record and no end", `RECORD ${good.length}\n${good}`, "ended in the middle"],
    ["two records", `RECORD ${good.length}\n${good}RECORD ${good.length}\n${good}END\n`, "what was sent is no record"],
    ["half a word", "REC", "the connection ended in the middle"],
  ])("%s on standard input is refused, and leaves nothing", async (_, input, reason) => {
    expect(await rtnodectl(activation(SECOND.id), input)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(reason),
    });
    expect(current()).toBe(FIRST.id);
    expect(readdirSync(join(root, "run"))).toEqual(["rtnodectl-receive.lock"]);
  });

  test("is not kept when nothing would lead back", async () => {
    writeFileSync(join(root, "bin", "systemd-run"), "#!/bin/sh\nexit 1\n");
    expect((await rtnodectl(activation(SECOND.id), recordStream({ record: RECORD, signature: null }))).status).toBe(1);
    expect(kept(SECOND.id)).toBeNull();
  });

  test("of a release that is not here is not asked for", async () => {
    expect(await rtnodectl(["record", "../../etc"])).toMatchObject({ status: 2 });
    expect(await rtnodectl(["record", "0".repeat(64)])).toMatchObject({ status: 1 });
  });
});

/** A text with another character at a place. */
function flipped(text: string, at: number): string {
  return `${text.slice(0, at)}${text[at] === "A" ? "B" : "A"}${text.slice(at + 1)}`;
}

describe("a board with signers", () => {
  beforeEach(requireSignatures);

  test("takes what one of them signed, and keeps the signature so that anybody can verify it", async () => {
    await done(activation(SECOND.id), await signed(RECORD));
    expect(await statusOf()).toMatchObject({ release: SECOND.id, signed: true, newestRecord: RECORD.time });
    expect(await verifyByHand(SECOND.id)).toContain('Good "rtkit-release" signature for release');
  });

  test.each<[string, () => Promise<string | Buffer>, string]>([
    ["no record", async () => "", "there is no record"],
    ["no signature", async () => recordStream({ record: RECORD, signature: null }), "there is no signature"],
    ["another's signature", () => signed(RECORD, "other"), "is not signed by any of this board's signers"],
    ["a signature for something else", () => signed(RECORD, "release", "file"), "is not signed by any"],
    [
      "the signature of another record",
      async () => recordStream({ record: RECORD, signature: await sign(formatRecord({ ...RECORD, user: "eve" })) }),
      "is not signed by any",
    ],
    [
      "a signature with a flipped bit",
      async () => recordStream({ record: RECORD, signature: flipped(await sign(formatRecord(RECORD)), 150) }),
      "is not signed by any",
    ],
    [
      "a signature that is none",
      async () => recordStream({ record: RECORD, signature: "yes\n" }),
      "is not signed by any",
    ],
    ["a signed record of another release", () => signed({ ...RECORD, release: THIRD.id }), "is not that of"],
  ])("refuses an order with %s", async (_, input, reason) => {
    for (const words of [activation(SECOND.id), ["rollback", SECOND.id]]) {
      expect(await rtnodectl(words, await input())).toMatchObject({
        status: 1,
        stderr: expect.stringContaining(reason),
      });
    }
    expect([current(), kept(SECOND.id), existsSync(opt("newest-record"))]).toEqual([FIRST.id, null, false]);
  });

  test("refuses every signed record a second time, also when its release had gone back", async () => {
    const order = await signed(RECORD);
    await done(activation(SECOND.id), order);
    await done(["revert", SECOND.id]);
    const { status, stderr } = await rtnodectl(activation(SECOND.id), order);
    expect(status).toBe(1);
    expect(stderr).toContain(
      "the record is of 2026-09-21 14:13:20 UTC, and one of 2026-09-21 14:13:20 UTC was accepted",
    );
  });

  test("refuses an older release by its old signature, and takes it by a new one", async () => {
    const old = await signed(RECORD);
    await done(activation(SECOND.id), old);
    await done(["confirm", SECOND.id]);
    await done(activation(THIRD.id), await signed({ ...RECORD, release: THIRD.id, time: RECORD.time + 60 }));
    await done(["confirm", THIRD.id]);
    for (const words of [activation(SECOND.id), ["rollback"], ["rollback", SECOND.id]]) {
      expect((await rtnodectl(words, old)).status).toBe(1);
    }
    expect(current()).toBe(THIRD.id);
    await done(["rollback"], await signed({ ...RECORD, time: RECORD.time + 120 }));
    expect(current()).toBe(SECOND.id);
    expect(readFileSync(opt("newest-record"), "utf8")).toBe(`${RECORD.time + 120}\n`);
  });

  test("goes back by itself without a signature: by word, by its timer, at boot", async () => {
    const ways = [["revert", SECOND.id], ["rollback"], ["apply", "--start"]];
    for (const [index, way] of ways.entries()) {
      await done(activation(SECOND.id), await signed({ ...RECORD, time: RECORD.time + index }));
      expect(current()).toBe(SECOND.id);
      await done(way);
      expect(current()).toBe(FIRST.id);
    }
  });

  test("killed at any moment, it keeps no signature of another record, and takes the next order", async () => {
    await done(activation(SECOND.id), await signed(RECORD));
    await done(["revert", SECOND.id]);
    let { time } = RECORD;
    for (const name of ["install", "sync", "mv", "rm", "touch", "systemd-run", "ln"]) {
      for (let nth = 1; nth <= 5; nth += 1) {
        const own = join(root, "bin", name);
        const before = existsSync(own) ? readFileSync(own, "utf8") : null;
        const does = before === null ? `PATH=/usr/sbin:/usr/bin:/sbin:/bin exec ${name} "$@"` : "";
        const dies = `echo x >>'${root}/count'\n[ $(wc -l <'${root}/count') -lt ${nth} ] || kill -9 $PPID`;
        writeFileSync(join(root, "count"), "");
        writeFileSync(own, `#!/bin/sh\n${dies}\n${does}\n`, { mode: 0o755 });
        time += 1;
        await rtnodectl(activation(SECOND.id), await signed({ ...RECORD, time }));
        if (before === null) rmSync(own);
        else writeFileSync(own, before);
        await done(["apply", "--start"]);
        expect(current(), `${name} ${nth}`).toBe(FIRST.id);
        if (kept(SECOND.id, "record.sig") !== null) await verifyByHand(SECOND.id);
      }
    }
    await done(activation(SECOND.id), await signed({ ...RECORD, time: time + 1 }));
  });

  test("takes no record of a far future once its clock is set, and has no clock to compare with before", async () => {
    const late = { ...RECORD, time: Math.floor(Date.now() / 1000) + 2 * 86_400 };
    mkdirSync(join(root, "run/systemd/timesync"), { recursive: true });
    writeFileSync(join(root, "run/systemd/timesync/synchronized"), "");
    const { status, stderr } = await rtnodectl(activation(SECOND.id), await signed(late));
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /the record is of .* UTC, and it is .* UTC: the clock of the computer that signed it is ahead/,
    );
    const soon = { ...RECORD, time: late.time - 2 * 86_400 + 3600 };
    await done(activation(SECOND.id), await signed(soon));
    await done(["revert", SECOND.id]);
    rmSync(join(root, "run/systemd/timesync/synchronized"));
    await done(activation(SECOND.id), await signed(late));
  });

  test("takes nothing when it cannot read what is newest, or its list of signers leads nowhere", async () => {
    writeFileSync(opt("newest-record"), "soon\n");
    expect(await statusOf()).toMatchObject({ newestRecord: null });
    expect((await rtnodectl(activation(SECOND.id), await signed(RECORD))).stderr).toContain(
      "nobody knows what is newer",
    );
    rmSync(opt("newest-record"));
    rmSync(join(root, "etc/rtnode/allowed_signers"));
    symlinkSync("nowhere", join(root, "etc/rtnode/allowed_signers"));
    expect(await rtnodectl(activation(SECOND.id), await signed(RECORD))).toMatchObject({ status: 1 });
    expect(await rtnodectl(activation(SECOND.id))).toMatchObject({ status: 1 });
    expect(current()).toBe(FIRST.id);
  });
});
