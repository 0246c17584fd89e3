import { expect, it } from "vitest";
import { masterArguments, sessionArguments, sessionConfig, terminalArguments } from "../../src/deploy/ssh-command.ts";

const address = { host: "arm.local", port: null, user: "robot" };

function options(settings: { acceptNew?: boolean; ask?: boolean }): string[] {
  const all = { config: undefined, acceptNew: false, ask: false, ...settings };
  return masterArguments(address, all, "/x/s").filter((word) => word.includes("="));
}

it("a host key is always checked: asked for on a terminal, else known, or new when that is accepted", () => {
  expect(options({})).toEqual(expect.arrayContaining(["StrictHostKeyChecking=yes", "BatchMode=yes"]));
  expect(options({ ask: true })).toContain("StrictHostKeyChecking=ask");
  expect(options({ ask: true })).not.toContain("BatchMode=yes");
  for (const ask of [true, false]) {
    expect(options({ ask, acceptNew: true })).toContain("StrictHostKeyChecking=accept-new");
  }
});

it("port and configuration are ssh's own business unless they are given, and the host cannot be an option", () => {
  const plain = masterArguments(address, { config: undefined, acceptNew: false, ask: false }, "/x/s");
  expect(plain).not.toContain("-p");
  expect(plain).not.toContain("-F");
  expect(plain.slice(-2)).toEqual(["--", "arm.local"]);
  const given = masterArguments({ ...address, port: 2222 }, { config: "/c", acceptNew: false, ask: false }, "/x/s");
  expect(given.join(" ")).toMatch(/^-F \/c .* -p 2222 -l robot -- arm\.local$/);
});

it("a session reads no configuration and makes no connection of its own", () => {
  expect(sessionArguments("/x/config", "true")).toEqual(["-F", "/x/config", "-T", "--", "board", "true"]);
  expect(terminalArguments("/x/config", "true")).toEqual(["-F", "/x/config", "-tt", "--", "board", "true"]);
  const config = sessionConfig("/x y/100%/s");
  expect(config).toMatch(/^Host board\n/);
  expect(config).toContain('ControlPath "/x y/100%%/s"\n');
  expect(config).toContain("SetEnv LC_ALL=C.UTF-8\n");
  expect(config).toMatch(/ControlMaster no\n\s+ProxyCommand false\n\s+BatchMode yes\n/);
});
