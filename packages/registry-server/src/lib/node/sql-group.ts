import { CompiledQuery, type Transaction } from "kysely";
import { rowsOf } from "./prepared.ts";
import type { Tables } from "./sql-schema.ts";
import type { QueuedWrite } from "./write-queue.ts";

type Write = QueuedWrite<Transaction<Tables>>;

const SAVEPOINT = CompiledQuery.raw("savepoint one_write");
const RELEASE = CompiledQuery.raw("release savepoint one_write");
const UNDO = CompiledQuery.raw("rollback to savepoint one_write");

async function runOne(
  session: Transaction<Tables>,
  write: Write,
  isOver: (error: unknown) => boolean,
): Promise<() => void> {
  await rowsOf(session, SAVEPOINT);
  try {
    const result = await write.work(session);
    await rowsOf(session, RELEASE);
    return () => write.resolve(result);
  } catch (error) {
    if (isOver(error)) throw error;
    await rowsOf(session, UNDO);
    await rowsOf(session, RELEASE);
    return () => write.reject(error);
  }
}

/**
 * Writes that share a transaction. They run one after the other; what one throws undoes its own changes and none of its
 * neighbours'. When the transaction ended, exactly one of {@link WriteGroup.settle} and {@link WriteGroup.reject} is called.
 */
export class WriteGroup {
  readonly #writes: readonly Write[];
  readonly #isOver: (error: unknown) => boolean;
  #settled: (() => void)[] = [];
  #broken: { readonly error: unknown } | undefined;

  /**
   * `isOver` tells of an error whether the transaction ended with it (a full disk, a broken connection): what the neighbours
   * wrote is gone then.
   */
  constructor(writes: readonly Write[], isOver: (error: unknown) => boolean) {
    this.#writes = writes;
    this.#isOver = isOver;
  }

  /** Runs all of them, again where it was called before. */
  async run(session: Transaction<Tables>): Promise<void> {
    this.#settled = [];
    this.#broken = undefined;
    for (const write of this.#writes) {
      try {
        this.#settled.push(await runOne(session, write, this.#isOver));
      } catch (error) {
        this.#broken = { error };
        throw error;
      }
    }
  }

  /** What ended the transaction. The rollback may have failed as well, since nothing was left to roll back: the first error tells more. */
  cause(error: unknown): unknown {
    return this.#broken === undefined ? error : this.#broken.error;
  }

  /** The transaction is durable: tells each how its write ended. */
  settle(): void {
    for (const settle of this.#settled) settle();
  }

  /** The transaction failed: tells all, in the words of `tell`. */
  reject(error: unknown, tell: (error: unknown) => unknown = (cause) => cause): void {
    for (const { reject } of this.#writes) reject(tell(this.cause(error)));
  }
}
