import { readdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { scratchDir } from "../scratch.ts";
import { compileWith, variants } from "./compile.ts";
import { answersOf, drive } from "./driver.ts";
import type { Driven } from "./driver.ts";
import { buildDevicePrograms } from "./support.ts";

beforeAll(buildDevicePrograms);

/** Words of the driver: a role and the record of most tests. */
const [SUBSCRIBE, PUBLISH] = ["0", "1"];
const RECORD = "x:f64,flags:u8[8] 16";

describe.each(variants)("a topic (%s)", (variant) => {
  let program = "";
  let env = { RTNODE_RUNTIME_DIR: "" };
  beforeAll(async () => {
    program = await compileWith(variant, ["driver.c"]);
  });
  beforeEach(() => {
    env = { RTNODE_RUNTIME_DIR: scratchDir("rtnode-topic-") };
  });

  /** A node of its own that has opened the topic; it ends with the test. */
  async function node(role: string, record = RECORD, name = "t"): Promise<Driven> {
    const driver = drive([program], env);
    onTestFinished(() => driver.kill("SIGKILL"));
    expect(await driver.tell(`open 0 ${role} ${name} ${record}`)).toBe("0");
    return driver;
  }

  test("brings the latest value, once as a new one, with the time at which it was published", async () => {
    const [publisher, subscriber] = [await node(PUBLISH), await node(SUBSCRIBE)];
    expect(await subscriber.tell("receive 0")).toBe("ENODATA");
    for (const value of [7, 8, 9]) await publisher.tell(`publish 0 ${value}`);
    expect(await subscriber.tell("receive 0")).toBe("1 9 before");
    expect(await subscriber.tell("receive 0")).toBe("0 9 before");
    await publisher.tell("publish 0 9");
    expect(await subscriber.tell("receive 0")).toBe("1 9 before");
  });

  test("may be opened by its subscriber first, has many of them, and each sees what it has not seen", async () => {
    const subscribers = [await node(SUBSCRIBE), await node(SUBSCRIBE), await node(SUBSCRIBE)];
    const publisher = await node(PUBLISH);
    await publisher.tell("publish 0 1");
    for (const subscriber of subscribers) expect(await subscriber.tell("receive 0")).toBe("1 1 before");
    await publisher.tell("publish 0 2");
    const late = await node(SUBSCRIBE);
    for (const subscriber of [...subscribers, late]) expect(await subscriber.tell("receive 0")).toBe("1 2 before");
  });

  test("keeps the last value over restarts of everybody", async () => {
    const first = await node(PUBLISH);
    await first.tell("publish 0 5");
    first.kill("SIGKILL");
    await first.end();
    const subscriber = await node(SUBSCRIBE);
    expect(await subscriber.tell("receive 0")).toBe("1 5 before");
    const second = await node(PUBLISH);
    expect(await subscriber.tell("receive 0")).toBe("0 5 before");
    await second.tell("publish 0 6");
    expect(await subscriber.tell("receive 0")).toBe("1 6 before");
  });

  test("has one publisher: a second is refused, until the first has ended or let go", async () => {
    const first = await node(PUBLISH);
    const second = await node(SUBSCRIBE, RECORD, "other");
    const open = `open 1 ${PUBLISH} t ${RECORD}`;
    expect(await second.tell(open)).toBe("EBUSY");
    expect(await first.tell("close 0")).toBe("0");
    expect(await second.tell(open)).toBe("0");
    expect(await first.tell(`open 0 ${PUBLISH} t ${RECORD}`)).toBe("EBUSY");
    second.kill("SIGKILL");
    await second.end();
    expect(await first.tell(`open 0 ${PUBLISH} t ${RECORD}`)).toBe("0");
  });

  test("has one layout as long as anybody has it open: another is refused, and then takes over", async () => {
    const subscriber = await node(SUBSCRIBE);
    const other = await node(SUBSCRIBE, RECORD, "other");
    for (const layout of ["x:f64,flags:u8[4] 16", "y:f64,flags:u8[8] 16", "x:f64 8", "x:f64,flags:u8[8],z:f64 24"]) {
      expect(await other.tell(`open 1 ${PUBLISH} t ${layout}`)).toBe("EPROTO");
    }
    await subscriber.end();
    expect(await other.tell(`open 1 ${PUBLISH} t x:f64 8`)).toBe("0");
    expect(await other.tell(`open 2 ${SUBSCRIBE} t x:f64 8`)).toBe("0");
    expect(await other.tell("receive 2")).toBe("ENODATA");
  });

  test.each([
    ["nothing", ""],
    ["something else", "some text"],
    ["a record of an older kind", `rttopic0${"\0".repeat(5000)}`],
  ])("takes the place of a file of its name that holds %s", async (_, text) => {
    writeFileSync(join(env.RTNODE_RUNTIME_DIR, "t.topic"), text);
    const [publisher, subscriber] = [await node(PUBLISH), await node(SUBSCRIBE)];
    await publisher.tell("publish 0 3");
    expect(await subscriber.tell("receive 0")).toBe("1 3 before");
  });

  test("of many nodes that open it at the same time all have it", async () => {
    const nodes = Array.from({ length: 8 }, () => drive([program], env));
    const opened = await Promise.all(
      nodes.map((driver, index) => driver.tell(`open 0 ${index === 3 ? PUBLISH : SUBSCRIBE} t ${RECORD}`)),
    );
    expect(opened).toEqual(nodes.map(() => "0"));
    await nodes[3]?.tell("publish 0 4");
    for (const driver of nodes.toSpliced(3, 1)) expect(await driver.tell("receive 0")).toBe("1 4 before");
    await Promise.all(nodes.map((driver) => driver.end()));
  });

  test("refuses what is no name, no layout, or not its size, and leaves nothing behind", async () => {
    const wrong = [
      "a/b x:f64 8",
      ".a x:f64 8",
      `${"x".repeat(64)} x:f64 8`,
      "t x:f64 4",
      "t x:f64 0",
      "t x:f65 8",
      `t ${"x".repeat(4000)}:f64 8`,
    ];
    const commands = wrong.flatMap((words) => [`open 0 ${SUBSCRIBE} ${words}`, `open 0 ${PUBLISH} ${words}`]);
    expect(await answersOf(program, commands, env)).toEqual(commands.map(() => "EINVAL"));
    expect(readdirSync(env.RTNODE_RUNTIME_DIR)).toEqual([]);
  });

  test("is not published by a subscriber", async () => {
    expect(await answersOf(program, [`open 0 ${SUBSCRIBE} t ${RECORD}`, "publish 0 1"], env)).toEqual(["0", "EBADF"]);
  });

  test("is no link, and its folder has to be there", async () => {
    const linked = join(env.RTNODE_RUNTIME_DIR, "t.topic");
    writeFileSync(join(env.RTNODE_RUNTIME_DIR, "target"), "precious");
    symlinkSync("target", linked);
    expect(await answersOf(program, [`open 0 ${PUBLISH} t ${RECORD}`], env)).toEqual(["ELOOP"]);
    expect(statSync(join(env.RTNODE_RUNTIME_DIR, "target")).size).toBe(8);
    const nowhere = { RTNODE_RUNTIME_DIR: join(env.RTNODE_RUNTIME_DIR, "none") };
    expect(await answersOf(program, [`open 0 ${PUBLISH} t ${RECORD}`], nowhere)).toEqual(["ENOENT"]);
  });
});
