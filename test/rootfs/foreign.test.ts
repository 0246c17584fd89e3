import { describe, expect, test } from "vitest";
import { RtkitError } from "../../src/core/errors.ts";
import { findProgram } from "../../src/core/programs.ts";
import { foreignPrograms, type ForeignFacts } from "../../src/rootfs/foreign.ts";
import { namespace } from "../../src/rootfs/namespace.ts";

const facts: ForeignFacts = {
  host: "amd64",
  target: "arm64",
  registration: undefined,
  qemu: "/usr/bin/qemu-aarch64-static",
  dispatcher: "/rtkit/dispatch",
  privateBinfmt: true,
};
const registered = "enabled\ninterpreter /usr/libexec/qemu-binfmt/aarch64\nflags: POCF\noffset 0\n";

const registerOf = (change: Partial<ForeignFacts>, emulate = false): string | undefined =>
  (foreignPrograms({ ...facts, ...change }, emulate) as { register?: string }).register;

describe("how programs of the target run", () => {
  test("the host's own architecture", () => {
    expect(foreignPrograms({ ...facts, target: "amd64" })).toEqual({ kind: "native" });
  });

  test("each as its native twin, whatever the host has registered", () => {
    const dispatched = { kind: "dispatched", qemu: "/usr/bin/qemu-aarch64-static" };
    expect(foreignPrograms(facts)).toMatchObject(dispatched);
    expect(foreignPrograms({ ...facts, registration: registered })).toMatchObject(dispatched);
  });

  test("emulated when asked, by an interpreter of the build's own", () => {
    const register = registerOf({ registration: registered }, true);
    expect(foreignPrograms({ ...facts, registration: registered }, true)).toEqual({
      kind: "emulated",
      register,
      reason: "--emulate was given",
    });
    expect(register).toMatch(/:\/usr\/bin\/qemu-aarch64-static:OPF$/);
  });

  test.each([
    [{ privateBinfmt: false }, false, "this kernel has no binfmt_misc for user namespaces (Linux 6.7 and later do)"],
    [{ qemu: undefined }, false, "qemu-user-static is not installed"],
    [{ privateBinfmt: false }, true, "--emulate was given"],
  ])("emulated by what the host has registered, and why: %j, --emulate %j", (change, emulate, reason) => {
    expect(foreignPrograms({ ...facts, ...change, registration: registered }, emulate)).toEqual({
      kind: "emulated",
      register: undefined,
      reason,
    });
  });

  test.each([undefined, "disabled\nflags: POCF\n", "enabled\nflags: PO\n"])(
    "a registration that does not work in a chroot is none: %j; one command helps",
    (registration) => {
      const none = foreignPrograms({ ...facts, registration, qemu: undefined });
      expect(none).toBeInstanceOf(RtkitError);
      expect(none).toMatchObject({ code: "RTK_HOST_FOREIGN", hint: "run: sudo apt-get install qemu-user-static" });
      expect(foreignPrograms({ ...facts, registration, privateBinfmt: false })).toMatchObject({
        code: "RTK_HOST_FOREIGN",
        hint: "run: sudo apt-get install qemu-user-static binfmt-support",
      });
    },
  );
});

describe("the line for binfmt_misc", () => {
  test("has the magic of the target's programs, and the dispatcher", () => {
    expect(registerOf({})).toBe(
      String.raw`:qemu-aarch64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:/rtkit/dispatch:PF`,
    );
    expect(registerOf({ host: "arm64", target: "amd64" })).toMatch(/^:qemu-x86_64:M::.*\\x02\\x00\\x3e\\x00:/);
  });

  test.each([
    ["/my:own/dispatch", "|"],
    ["/my:own|folder/dispatch", "^"],
    ["/a folder/dispatch", ":"],
  ])("is separated by what the path does not have: %j", (dispatcher, separator) => {
    const line = registerOf({ dispatcher }) ?? "";
    expect(line[0]).toBe(separator);
    expect(line.split(separator)).toHaveLength(8);
    expect(line.split(separator).slice(-2)).toEqual([dispatcher, "PF"]);
  });

  test("is handed over as an argument, never as script text", () => {
    const { args } = namespace(["true"], { kind: "dispatched", qemu: "/q", register: ":x:'$(id)'" });
    expect(args.slice(-3)).toEqual(["sh", ":x:'$(id)'", "true"]);
  });

  test("is not needed where the host has one", () => {
    const { args } = namespace(["true"], { kind: "emulated", register: undefined, reason: "" });
    expect(args.slice(2)).toEqual(["sh", "true"]);
  });
});

test("programs are found on the given path and in the folders of root's", () => {
  expect(findProgram("sh", "/bin")).toBe("/bin/sh");
  expect(findProgram("no-such-program", "/bin")).toBeUndefined();
});
