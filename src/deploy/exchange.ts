import { Readable } from "node:stream";
import * as z from "zod";
import { recordStream, type SealedRecord } from "./record.ts";
import type { Release } from "./release.ts";
import { answerOf, BoardTime, checkedId, ReleaseId, RTNODECTL, understood } from "./rtnodectl.ts";
import { filesStream, listStream } from "./stream.ts";
import { noAnswer } from "./ssh-failures.ts";
import type { Connection } from "./transport.ts";

/** What a board says when it has heard which files a release has. */
const Answer = z.object({
  /** The release that is active; null for none. */
  release: ReleaseId.nullable(),
  previous: ReleaseId.nullable(),
  /** The release that is active and not confirmed yet. */
  pending: ReleaseId.nullable(),
  /** True when the board takes only signed releases. */
  signed: z.boolean(),
  /** The time of the newest signed record that it ever accepted; 0 for none, null when it cannot say. */
  newestRecord: BoardTime.nullable(),
  /** The files that it lacks, by sha256. */
  wanted: z.array(z.string()),
});
export type Answer = z.infer<typeof Answer>;

/** So long a board may take to say what it lacks, ms: it may wait for another deploy, and make room. */
const ANSWER_MS = 120_000;

/** So much longer than nodes may take until they are well a board may take to restart them, s. */
const ACTIVATION_S = 60;

/** How a release is sent and made current. */
export interface ExchangeOptions {
  /** Whole seconds within which it must be confirmed. */
  readonly seconds: number;
  /** Makes the record that goes with the order. What it throws ends the exchange, and the board stays as it is. */
  readonly seal: (answer: Answer) => Promise<SealedRecord | undefined>;
  /** Hears how many bytes there are to send. */
  readonly sending: (bytes: number) => void;
  /** Called before the last word is sent: from then on the board may be on the release, whatever is heard of it. */
  readonly commit: () => void;
  readonly signal: AbortSignal;
}

/**
 * Sends what a board lacks of a release and makes it current, in one command: the board goes back by itself unless that is
 * confirmed in time. Nothing is sent but the list when the release is active already. Throws as {@link answerOf}, `seal`,
 * and RTK_DEPLOY_ANSWER.
 */
export async function sendAndActivate(
  connection: Connection,
  release: Release,
  { seconds, seal, sending, commit, signal }: ExchangeOptions,
): Promise<Answer> {
  const heard = Promise.withResolvers<Answer>();
  heard.promise.catch(() => undefined);
  let answer: Answer | undefined;
  let failed: unknown;
  async function* messages(): AsyncGenerator<Buffer> {
    const list = listStream(release);
    yield* list.chunks;
    try {
      const board = await heard.promise;
      clearTimeout(timer);
      if (board.release === release.id) return;
      const sealed = await seal(board);
      const files = filesStream(release, new Set(board.wanted));
      sending(list.bytes + files.bytes);
      yield* files.chunks;
      commit();
      timer = setTimeout(giveUp, (seconds + ACTIVATION_S) * 1000);
      yield sealed === undefined ? Buffer.from("END\n") : recordStream(sealed);
    } catch (error) {
      // The board hears that it ended in the middle.
      failed = error;
    }
  }
  const silent = new AbortController();
  const giveUp = (): void => silent.abort(noAnswer(connection.address));
  let timer = setTimeout(giveUp, ANSWER_MS);
  const command = `${RTNODECTL} deploy ${checkedId(release.id)} --confirm-within ${Math.trunc(seconds)}`;
  const running = connection.run(command, {
    signal: AbortSignal.any([signal, silent.signal]),
    stdin: Readable.from(messages(), { objectMode: false }),
    onLine: (line) => {
      try {
        answer ??= understood(connection.address, () => Answer.parse(JSON.parse(line)));
        heard.resolve(answer);
      } catch (error) {
        heard.reject(error);
      }
    },
  });
  const end = await running.finally(() => clearTimeout(timer));
  if (failed !== undefined) throw failed;
  answerOf(connection.address, end);
  return answer ?? understood(connection.address, () => Answer.parse(answer));
}
