import { beforeAll, describe, expect, test } from "vitest";
import { buildDevicePrograms } from "../device/support.ts";
import { languages } from "./languages.ts";
import type { Language } from "./languages.ts";

beforeAll(buildDevicePrograms);

const text = { base: "RTNode", run: 'self.log("hello"); say(identity_of(self)); return 0' } as const;

/** What a node says of itself, and its process id as who started it knows it. */
async function identity(language: Language, env = {}): Promise<{ names: string[]; pid: number; stderr: string }> {
  const node = await language.start(text, { env });
  const { stdout, stderr } = await node.ended;
  return { names: stdout.split("\n")[0]?.split(" ") ?? [], pid: node.pid, stderr };
}

describe.each(languages)("G9: the identity of a node in $name", (language) => {
  test("names the node, the machine, the process, and this one run of it", async () => {
    const { names, pid } = await identity(language);
    const [node, platform, process, unique = ""] = names;
    expect([node, process]).toEqual(["test", String(pid)]);
    expect(platform).not.toBe("");
    expect(unique).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}:test:([0-9a-f]{2}:){5}[0-9a-f]{2}$/);
    expect((await identity(language)).names[3]).not.toBe(unique);
  });

  test("has the name of the project file, which log and statistics carry too", async () => {
    const { names, stderr } = await identity(language, { RTNODE_NAME: "left-arm" });
    expect(names[0]).toBe("left-arm");
    expect(names[3]).toContain(":test:");
    expect(stderr).toMatch(/^left-arm: hello$/m);
    expect(stderr).toMatch(/^left-arm: 0 cycles, /m);
  });
});

test("G9: machine and hardware address are the same in both languages", async () => {
  const [one, other] = await Promise.all(languages.map((language) => identity(language)));
  const [machine, theOther] = [one, other].map((node) => [node?.names[1], node?.names[3]?.split(":").slice(2)]);
  expect(machine).toEqual(theOther);
});
