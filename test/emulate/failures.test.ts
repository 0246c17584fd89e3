import { expect, it } from "vitest";
import { qemuFailure, withLines } from "../../src/emulate/failures.ts";

const COMMAND = { program: "qemu-system-aarch64", args: ["-machine", "virt", "-append", "root=x rw"] };
const FAILED = { status: 1, signal: null };

it.each([
  // Messages of QEMU 7.2.
  [
    "qemu-system-x86_64: -netdev user,id=n,hostfwd=tcp:127.0.0.1:22-:22: Could not set up host forwarding rule 'tcp:127.0.0.1:22-:22'",
    "RTK_EMULATE_PORT_TAKEN",
  ],
  [
    'qemu-system-x86_64: -drive file=x.img,if=none: Failed to get "write" lock\nIs another process using the image [x.img]?',
    "RTK_EMULATE_DISK_IN_USE",
  ],
  ["qemu-system-x86_64: cannot set up guest memory 'pc.ram': Cannot allocate memory", "RTK_EMULATE_MEMORY"],
])("knows why QEMU would not start: %s", (stderr, code) => {
  expect(qemuFailure(COMMAND, FAILED, stderr)).toMatchObject({ code, hint: expect.any(String) });
});

it("anything else is shown as QEMU said it, with the command to paste", () => {
  expect(qemuFailure(COMMAND, FAILED, "unsupported machine type\n")).toMatchObject({
    code: "RTK_EMULATE_QEMU_FAILED",
    message: "qemu-system-aarch64 ended (exit status 1):\nunsupported machine type",
    hint: "rtkit needs QEMU 7.2 or newer; the command was: qemu-system-aarch64 -machine virt -append 'root=x rw'",
  });
  expect(qemuFailure(COMMAND, { status: null, signal: "SIGKILL" }, "")).toMatchObject({
    message: "qemu-system-aarch64 ended (signal SIGKILL)",
  });
});

it("a message says when the console never printed anything", () => {
  expect(withLines("not up", [])).toBe("not up; its serial console is silent");
  expect(withLines("not up", ["a", "b"])).toBe("not up; its serial console ends with:\n  a\n  b");
});
