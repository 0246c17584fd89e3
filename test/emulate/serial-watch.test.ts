import * as fc from "fast-check";
import { expect, it } from "vitest";
import { faultError } from "../../src/emulate/failures.ts";
import { serialWatcher, type SerialFault } from "../../src/emulate/serial-watch.ts";

const BOOT = [
  "[    0.000000] Linux version 6.12.0-rt",
  "[    1.000000] Kernel command line: root=PARTUUID=1234abcd-02 panic=10",
  "[\u001B[0;32m  OK  \u001B[0m] Reached target \u001B[0;1;39mmulti-user.target\u001B[0m.",
  "",
  "arm login: ",
].join("\r\n");

const FAULTS: readonly (readonly [string, SerialFault])[] = [
  [
    "[    3.1] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
    { kind: "panic", detail: "VFS: Unable to mount root fs on unknown-block(0,0)" },
  ],
  [
    "[   31.4] Kernel panic - not syncing: Attempted to kill init!",
    { kind: "panic", detail: "Attempted to kill init!" },
  ],
  ["Gave up waiting for root file system device.  Common problems:", { kind: "no-root", detail: "root file system" }],
  ["You are in emergency mode. After logging in, type", { kind: "emergency", detail: "" }],
  ["You are in rescue mode. After logging in, type", { kind: "emergency", detail: "" }],
  ["Cannot open access to console, the root account is locked.", { kind: "emergency", detail: "" }],
];

/** Cuts a text at arbitrary places. */
function cutAt(text: string, places: readonly number[]): string[] {
  const sorted = [0, ...places.map((place) => place % (text.length + 1)), text.length].toSorted((a, b) => a - b);
  return sorted.slice(1).map((end, index) => text.slice(sorted[index], end));
}

it("a board that boots has no fault, and its last lines are plain text", () => {
  const watcher = serialWatcher();
  watcher.feed(BOOT);
  expect(watcher.fault()).toBeUndefined();
  expect(watcher.lastLines()).toEqual([
    "[    0.000000] Linux version 6.12.0-rt",
    "[    1.000000] Kernel command line: root=PARTUUID=1234abcd-02 panic=10",
    "[  OK  ] Reached target multi-user.target.",
    "arm login:",
  ]);
});

it("finds each fault however the text is cut, and tells the first", () => {
  fc.assert(
    fc.property(fc.constantFrom(...FAULTS), fc.array(fc.nat()), ([line, fault], places) => {
      const watcher = serialWatcher();
      for (const piece of cutAt(`${BOOT}\r\n${line}\r\nKernel panic - not syncing: a later one\r\n`, places)) {
        watcher.feed(piece);
      }
      expect(watcher.fault()).toEqual(fault);
    }),
  );
});

it("lines of any other content are no fault, and only the last 20 are kept", () => {
  const line = fc.string({ unit: "binary" }).filter((text) => !/panic|Gave up|You are in|Cannot open/.test(text));
  fc.assert(
    fc.property(fc.array(line, { maxLength: 60 }), (lines) => {
      const watcher = serialWatcher();
      watcher.feed(lines.join("\n"));
      expect(watcher.fault()).toBeUndefined();
      expect(watcher.lastLines().length).toBeLessThanOrEqual(20);
      expect(watcher.lastLines().join("")).not.toMatch(/\p{Cc}/u);
    }),
  );
});

it("a guest that prints no line ends does not fill the memory", () => {
  const watcher = serialWatcher();
  for (let index = 0; index < 100; index += 1) watcher.feed("x".repeat(4000));
  expect(watcher.lastLines().join("").length).toBeLessThanOrEqual(20 * 4096);
});

it("says each fault in words, with the last lines of the console", () => {
  expect(faultError({ kind: "panic", detail: "Attempted to kill init!" }, ["one", "two"])).toMatchObject({
    code: "RTK_EMULATE_PANIC",
    message: "the machine's kernel panicked: Attempted to kill init!; its serial console ends with:\n  one\n  two",
  });
  expect(faultError({ kind: "no-root", detail: "root file system" }, [])).toMatchObject({
    code: "RTK_EMULATE_BOOT_FAILED",
    message: "the machine does not find its root file system; its serial console is silent",
    hint: "rtkit inspect IMAGE shows the partitions and root= of the kernel command line",
  });
  expect(faultError({ kind: "emergency", detail: "" }, ["x"])).toMatchObject({
    code: "RTK_EMULATE_BOOT_FAILED",
    message: "the machine stopped booting, in systemd's emergency mode; its serial console ends with:\n  x",
  });
});
