import { describe, expect, test } from "vitest";
import { RtkitError } from "../../src/core/errors.ts";
import { findProgram } from "../../src/core/programs.ts";
import { foreignPrograms, type ForeignFacts } from "../../src/rootfs/foreign.ts";
import { namespace } from "../../src/rootfs/namespace.ts";

const facts: ForeignFacts = {
  host: "amd64",
  target: "arm64",
  registration: undefined,
  interpreter: "/usr/bin/qemu-aarch64-static",
  privateBinfmt: true,
};

describe("foreignPrograms", () => {
  test("the host's own architecture", () => {
    expect(foreignPrograms({ ...facts, target: "amd64" })).toEqual({ kind: "native" });
  });

  test("a registration with flag F is used", () => {
    const registration = "enabled\ninterpreter /usr/libexec/qemu-binfmt/aarch64\nflags: POCF\noffset 0\n";
    expect(foreignPrograms({ ...facts, registration })).toEqual({ kind: "registered" });
  });

  test.each(["disabled\nflags: POCF\n", "enabled\nflags: PO\n"])(
    "one that does not work in a chroot is not: %j",
    (registration) => {
      expect(foreignPrograms({ ...facts, registration })).toMatchObject({ kind: "private" });
    },
  );

  test("the private registration is one line that binfmt_misc parses", () => {
    const { register } = foreignPrograms(facts) as { register: string };
    expect(register).toBe(
      String.raw`:qemu-aarch64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:/usr/bin/qemu-aarch64-static:OPF`,
    );
  });

  test("nothing works: one command that helps", () => {
    const none = foreignPrograms({ ...facts, interpreter: undefined });
    expect(none).toBeInstanceOf(RtkitError);
    expect(none).toMatchObject({ code: "RTK_HOST_FOREIGN", hint: "run: sudo apt-get install qemu-user-static" });
    expect(foreignPrograms({ ...facts, privateBinfmt: false })).toMatchObject({
      code: "RTK_HOST_FOREIGN",
      hint: "run: sudo apt-get install qemu-user-static binfmt-support",
    });
  });
});

test("programs are found on the given path and in the folders of root's", () => {
  expect(findProgram("sh", "/bin")).toBe("/bin/sh");
  expect(findProgram("no-such-program", "/bin")).toBeUndefined();
});

test("a registration is handed over as an argument, never as script text", () => {
  const { file, args } = namespace(["true"], { kind: "private", interpreter: "/q", register: ":x:'$(id)'" });
  expect(file).toBe("unshare");
  expect(args.slice(-3)).toEqual(["sh", ":x:'$(id)'", "true"]);
});
