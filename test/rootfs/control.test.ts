import * as fc from "fast-check";
import { expect, test } from "vitest";
import { parseStanzas } from "../../src/rootfs/control.ts";

const fieldName = fc.stringMatching(/^[A-Z][a-z0-9]{0,6}(?:-[A-Z][a-z0-9]{0,6})?$/);
const line = fc.stringMatching(/^[!-"$-~](?:[ -~]{0,20}[!-~])?$/);
const stanza = fc
  .uniqueArray(fc.tuple(fieldName, line, fc.array(line, { maxLength: 3 })), {
    minLength: 1,
    maxLength: 4,
    selector: ([name]) => name.toLowerCase(),
  })
  .map((fields) => fields.map(([name, first, more]) => ({ name, lines: [first, ...more] })));

test("what was written comes out, in any layout that deb822(5) allows", () => {
  const layout = fc.record({
    before: fc.constantFrom("", "\n", "# a comment\n"),
    colon: fc.constantFrom(":", ": ", ":\t"),
    fold: fc.constantFrom(" ", "\t", "   "),
    between: fc.constantFrom("\n\n", "\n\n\n", "\n \t\n", "\n# a comment: not a field\n\n"),
    end: fc.constantFrom("", "\n", "\n\n"),
  });
  fc.assert(
    fc.property(fc.array(stanza, { maxLength: 4 }), layout, (stanzas, { before, colon, fold, between, end }) => {
      const texts = stanzas.map((fields) =>
        fields.map(({ name, lines }) => `${name}${colon}${lines.join(`\n${fold}`)}`).join("\n"),
      );
      const expected = stanzas.map((fields) => fields.map(({ name, lines }) => [name.toLowerCase(), lines.join("\n")]));
      expect(parseStanzas(before + texts.join(between) + end).map((fields) => [...fields])).toEqual(expected);
    }),
  );
});

test("a package's control file", () => {
  const [control] = parseStanzas(
    [
      "Package: htop",
      "Depends: libc6 (>= 2.38), libncursesw6 (>= 6)",
      "Description: interactive processes viewer",
      " Htop is an ncursed-based process viewer.",
      " .",
      " It: has colours.",
      "",
    ].join("\n"),
  );
  expect(control?.get("package")).toBe("htop");
  expect(control?.get("depends")).toBe("libc6 (>= 2.38), libncursesw6 (>= 6)");
  expect(control?.get("description")).toBe(
    "interactive processes viewer\nHtop is an ncursed-based process viewer.\n.\nIt: has colours.",
  );
});
