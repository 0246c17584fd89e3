import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { bootstrapBoards } from "../../src/cli/deploy/bootstrap-boards.ts";
import { runCli } from "../../src/cli/program.ts";
import { listBoards } from "../../src/config/boards.ts";
import type { RtkitError } from "../../src/core/errors.ts";
import { formatAddress } from "../../src/deploy/address.ts";
import { removeFromBoard } from "../../src/deploy/bootstrap.ts";
import { withConnections } from "../../src/deploy/connect-all.ts";
import { connect } from "../../src/deploy/transport.ts";
import { fakeBoard, makeOperator, type FakeBoard, type Operator } from "../deploy/sshd.ts";
import { watchedContext } from "../pipeline/fixtures.ts";

let operator: Operator;
let board: FakeBoard;
let printed: string;
beforeEach(async () => {
  operator = await makeOperator();
  board = await fakeBoard(operator);
  printed = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => ((printed += String(text)), true));
});
afterEach(() => vi.restoreAllMocks());

/** The board's shell runs what it is told, as a system's does; sudo lets everything pass. */
function becomeSystem(): void {
  writeFileSync(join(board.root, "bin/sudo"), '#!/bin/sh\nshift\nexec "$@"\n', { mode: 0o755 });
  board.before('case $SSH_ORIGINAL_COMMAND in cat\\ *|journalctl*) ;; *) exec sh -c "$SSH_ORIGINAL_COMMAND" ;; esac');
}

async function remove(...words: string[]): Promise<number> {
  printed = "";
  const host = `${board.address.user}@${formatAddress(board.address)}`;
  const ssh = ["--ssh-config", operator.settings.config ?? "", "--accept-new"];
  return runCli(["deploy", "--remove", "--json", "--host", host, ...ssh, ...words]);
}

const result = (): unknown => JSON.parse(printed.trim().split("\n").at(-1) ?? "");

it("--remove wants a yes where there is nobody to ask", async () => {
  expect(await remove()).toBe(2);
  expect(result()).toMatchObject({ code: "RTK_DEPLOY_REMOVE_YES", hint: "if that is meant, add --yes" });
  expect(board.commands()).toEqual([]);
});

it("--remove says so when a board runs nothing that it is sent", async () => {
  expect(await remove("--yes")).toBe(1);
  expect(result()).toMatchObject({ targets: [{ ok: false, code: "RTK_BOOTSTRAP_ANSWER" }] });
});

it("--remove changes nothing where there is nothing, and leaves no file of its own", async () => {
  becomeSystem();
  expect(await remove("--yes")).toBe(0);
  expect(result()).toMatchObject({ targets: [{ ok: true, changes: [] }] });
  const commands = board.commands();
  const stage = /(?<=tar -xpf - -C )\/var\/tmp\/rtkit-bootstrap\.\w+/.exec(commands.join("\n"))?.[0];
  expect(commands.at(-1)).toBe(`rm -rf ${stage}`);
});

it("where sudo wants a password it asks on the terminal, or the board is left alone", async () => {
  becomeSystem();
  // One that is not root's, whoever runs the tests; and a sudo that answers only to somebody at a terminal.
  writeFileSync(
    join(board.root, "bin/id"),
    '#!/bin/sh\n[ "$1" != -u ] || { echo 1000; exit; }\nexec /usr/bin/id "$@"\n',
    {
      mode: 0o755,
    },
  );
  const sudo =
    '#!/bin/sh\nif [ "$1" = -n ] || ! [ -t 0 ]; then echo "a password is required" >&2; exit 1; fi\nexec "$@"\n';
  writeFileSync(join(board.root, "bin/sudo"), sudo, { mode: 0o755 });
  expect(await remove("--yes")).toBe(1);
  expect(result()).toMatchObject({ targets: [{ code: "RTK_BOOTSTRAP_SUDO" }] });
  const connection = await connect(board.address, operator.settings, watchedContext("").signal);
  try {
    expect(await removeFromBoard(connection, { ask: true })).toMatchObject({
      facts: { sudo: "password" },
      changes: [],
    });
  } finally {
    await connection.close();
  }
});

it("a system that cannot become a target is told beside one that cannot be reached, and nothing is sent to it", async () => {
  becomeSystem();
  const [one] = await listBoards();
  if (one === undefined) throw new Error("there are no boards");
  // No machine is all of this.
  const project = { board: { ...one, architecture: "arm64" as const, name: "x" }, nodes: [] };
  writeFileSync(join(board.root, "bin/dpkg"), "#!/bin/sh\necho riscv64\n", { mode: 0o755 });
  const context = watchedContext("");
  const addresses = [board.address, { ...board.address, host: "board.invalid" }];
  const settings = { settings: operator.settings, concurrency: 2, signal: context.signal };
  const codes = await withConnections(addresses, settings, async (reached) => {
    const all = await bootstrapBoards(context, reached, project, false);
    return Promise.all(
      all.map(async ({ visit }) => visit(async () => "reached").catch(({ code }: RtkitError) => code)),
    );
  });
  expect(codes[0]).toMatch(/^RTK_BOOTSTRAP_(?:SYSTEMD|ARCHITECTURE)$/);
  expect(codes[1]).toBe("RTK_SSH_HOST_NOT_FOUND");
  expect(board.commands()).toEqual(["sh -s"]);
});
