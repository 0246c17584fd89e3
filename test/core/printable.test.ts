import { expect, it } from "vitest";
import { printable } from "../../src/core/printable.ts";

it("a board cannot write to the terminal through what it says", () => {
  expect(printable("a\u001b[2Jb\r\nc\td\u0007\u009b")).toBe("a?[2Jb\nc\td??");
});
