import { sql, type Transaction } from "kysely";
import type { Tables } from "./sql-schema.ts";
import type { QueuedWrite } from "./write-queue.ts";

type Write = QueuedWrite<Transaction<Tables>>;

/** A group of writes that failed as a whole, with the error that began it. */
export class GroupFailure extends Error {
  readonly first: unknown;

  constructor(first: unknown) {
    super("a group of writes failed");
    this.first = first;
  }
}

async function runOne(
  session: Transaction<Tables>,
  write: Write,
  isOver: (error: unknown) => boolean,
): Promise<() => void> {
  await sql`savepoint one_write`.execute(session);
  try {
    const result = await write.work(session);
    await sql`release savepoint one_write`.execute(session);
    return () => write.resolve(result);
  } catch (error) {
    if (isOver(error)) throw error;
    await sql`rollback to savepoint one_write`.execute(session);
    await sql`release savepoint one_write`.execute(session);
    return () => write.reject(error);
  }
}

/**
 * Runs the writes of a group in a transaction, one after the other; what one throws undoes its own changes and none of its
 * neighbours'. `isOver` tells of an error whether the transaction ended with it (a full disk, a broken connection): what the
 * neighbours wrote is gone then.
 * @returns what tells each writer how its write ended, to be called when the transaction is durable
 * @throws {GroupFailure}
 */
export async function runGroup(
  session: Transaction<Tables>,
  group: readonly Write[],
  isOver: (error: unknown) => boolean,
): Promise<readonly (() => void)[]> {
  const settled: (() => void)[] = [];
  for (const write of group) {
    try {
      settled.push(await runOne(session, write, isOver));
    } catch (error) {
      // The rollback that follows may fail as well, since nothing is left to roll back: the first error tells more.
      throw new GroupFailure(error);
    }
  }
  return settled;
}
