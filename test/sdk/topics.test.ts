import { constants } from "node:os";
import { beforeAll, describe, expect, test } from "vitest";
import { buildDevicePrograms } from "../device/support.ts";
import { languages } from "./languages.ts";

beforeAll(buildDevicePrograms);

describe.each(languages)("topics in $name", ({ start: startNode, either }) => {
  const record = '{"x": "f64", "flags": ["u8", 3]}';

  test("bring the latest message, once as a new one, and when it was published", async () => {
    const run = `
self.late = make(Subscriber, "t", ${record})
say(self.late.receive() == ${-constants.errno.ENODATA}, self.late.published)
self.out = make(Publisher, "t", ${record})
self.out.message.x = 4.5
self.out.message.flags[2] = 7
say(self.out.publish(), self.late.receive(), self.late.message.x, self.late.message.flags[2], self.late.receive())
say(self.late.published > 0, self.late.published < now())
return 0`;
    const above = either("from time import monotonic_ns as now", "const now = () => Number(process.hrtime.bigint());");
    const { stdout } = await (await startNode({ base: "RTNode", above, run })).ended;
    const yes = either("True", "true");
    expect(stdout).toBe(`${yes} 0\n0 1 4.5 7 0\n${yes} ${yes}\nfinalized`);
  });

  test("say what is wrong", async () => {
    const run = `
self.out = make(Publisher, "t", ${record})
say(problem_of(Publisher, "t", ${record}))
say(problem_of(Subscriber, "t", {"y": "f64"}))
say(problem_of(Subscriber, "a/b", ${record}))
say(problem_of(Subscriber, "u", {"x": "f16"}))
say(problem_of(Subscriber, "u", {"1x": "f64"}))
say(problem_of(Subscriber, "u", {"x": ["f64", 0]}))
self.out.close()
self.out.close()
say(self.out.publish(), problem_of(Publisher, "t", ${record}))
return 0`;
    const { stdout } = await (await startNode({ base: "RTNode", run })).ended;
    const [busy, other, name, type, member, count, free] = stdout.split("\n");
    expect(busy).toContain("another node publishes it already");
    expect(other).toContain("a running node has it with other members");
    for (const invalid of [name, member, count]) expect(invalid).toMatch(/Invalid argument|EINVAL/);
    expect(type).toMatch(/^x: '?f16'? is none of i8, u8, i16, u16, i32, u32, f32, f64$/);
    expect(free).toBe("0 none");
  });

  test("without the library reach nobody, and the node runs", async () => {
    const run = `
self.out = make(Publisher, "t", ${record})
self.back = make(Subscriber, "t", ${record})
self.out.message.x = 1.5
say(self.out.publish(), self.back.receive() == ${-constants.errno.ENODATA}, self.back.message.x == 0)
return 0`;
    const env = { RTNODE_LIBRARY: "/no/such/library.so", RTNODE_ADDON: "/no/such/addon.node" };
    const { stdout } = await (await startNode({ base: "RTNode", run }, { env })).ended;
    const yes = either("True", "true");
    expect(stdout).toBe(`0 ${yes} ${yes}\nfinalized`);
  });
});
