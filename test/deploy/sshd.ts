import { afterAll } from "vitest";
import { scratchDir } from "../scratch.ts";
import { operatorIn, startBoards, type FakeBoard, type Operator } from "./loopback.ts";

export type { FakeBoard, Operator };

const servers: (() => void)[] = [];

afterAll(() => {
  for (const stop of servers) stop();
});

/** Somebody with a key, who knows no board. */
export async function makeOperator(): Promise<Operator> {
  return operatorIn(scratchDir("rtkit-operator-"));
}

/** Starts a board that lets the operator in. With a port it takes the place of another one. */
export async function fakeBoard(operator: Operator, port?: number): Promise<FakeBoard> {
  const [board] = await fakeBoards(operator, 1, port === undefined ? [] : [port]);
  if (board === undefined) throw new Error("no board");
  return board;
}

/** Starts boards that let the operator in. */
export async function fakeBoards(
  operator: Operator,
  count: number,
  ports: readonly number[] = [],
): Promise<readonly FakeBoard[]> {
  const { boards, stop } = await startBoards(scratchDir("rtkit-board-"), operator, count, ports);
  servers.push(stop);
  return boards;
}
