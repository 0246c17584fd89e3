import { expect, it, vi } from "vitest";
import { plainOutput } from "../../src/cli/deploy/watch-output.ts";

it("a warning that each save brings again is said once", () => {
  let complained = "";
  vi.spyOn(process.stderr, "write").mockImplementation((text) => ((complained += String(text)), true));
  try {
    const { first, later } = plainOutput(false);
    first({ type: "warning", message: "CPU 3 is not isolated" });
    later({ type: "warning", message: "CPU 3 is not isolated" });
    later({ type: "warning", message: "another" });
  } finally {
    vi.restoreAllMocks();
  }
  expect(complained.match(/CPU 3/g)).toHaveLength(1);
  expect(complained).toContain("another");
});
