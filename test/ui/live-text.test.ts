import { describe, expect, it } from "vitest";
import { liveText } from "../../src/ui/live-text.ts";

const ESCAPE = "\u001b";

/** What a terminal of this size shows, by the few sequences that live text uses. */
function screen(columns: number, rows: number) {
  let lines: string[] = [""];
  let row = 0;
  const written: string[] = [];
  const write = (text: string): boolean => {
    written.push(text);
    for (const part of text.split(new RegExp(`(${ESCAPE}\\[[?\\d]*[A-Za-z]|\\n|\\r)`))) {
      const up = new RegExp(`^${ESCAPE}\\[(\\d+)A$`).exec(part)?.[1];
      if (up !== undefined) row -= Number(up);
      else if (part === "\n") {
        row += 1;
        lines[row] ??= "";
      } else if (part === `${ESCAPE}[J`) lines = lines.slice(0, row + 1).with(row, "");
      else if (!part.startsWith(ESCAPE) && part !== "\r" && part !== "") {
        if (part.length >= columns) throw new Error(`it wraps: ${part}`);
        lines[row] = part;
      }
      if (row < 0 || row >= rows) throw new Error("it scrolls");
    }
    return true;
  };
  return { columns, rows, write, shown: () => lines.filter((line) => line !== ""), written: () => written.join("") };
}

describe("live text", () => {
  it("takes the place of what was there, also when there is less of it", () => {
    const terminal = screen(40, 10);
    const text = liveText(terminal);
    text.show(["a", "b", "c"]);
    text.show(["d"]);
    expect(terminal.shown()).toEqual(["d"]);
    text.show(["e", "f"]);
    expect(terminal.shown()).toEqual(["e", "f"]);
  });

  it("cuts what does not fit, so that nothing wraps or scrolls", () => {
    const terminal = screen(10, 4);
    const text = liveText(terminal);
    for (let again = 0; again < 3; again += 1) text.show(Array.from({ length: 9 }, () => "x".repeat(50)));
    expect(terminal.shown()).toEqual(["xxxxxxxxx", "xxxxxxxxx", "xxxxxxxxx"]);
  });

  it("hides the cursor while it is shown, and gives it back once", () => {
    const terminal = screen(40, 10);
    const text = liveText(terminal);
    text.finish();
    expect(terminal.written()).toBe("");
    text.show(["a"]);
    text.finish();
    text.finish();
    expect(terminal.written().split(`${ESCAPE}[?25h`).length).toBe(2);
    expect(terminal.shown()).toEqual(["a"]);
  });
});
