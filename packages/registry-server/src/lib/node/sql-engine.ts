import type { Kysely, RawBuilder, Transaction } from "kysely";
import type { Tables } from "./sql-schema.ts";

/** What is searched of a package, as text. */
export interface SearchedPackage {
  readonly id: number;
  readonly name: string;
  readonly title: string;
  readonly keywords: string;
  readonly description: string;
}

/** How an engine finds packages by words. */
export interface TextIndex {
  /** Adds a package, or replaces what is known of it, in the transaction of its change. */
  put(session: Transaction<Tables>, row: SearchedPackage): Promise<void>;
  /** Packages that have all words of `text` as prefixes; `undefined` where it has no words. */
  match(text: string):
    | {
        /** Tables, `packages` among them. */
        readonly from: RawBuilder<unknown>;
        readonly where: RawBuilder<unknown>;
        /** Most relevant first. */
        readonly order: RawBuilder<unknown>;
      }
    | undefined;
}

/** What differs between the databases below the SQL metadata store: their transactions, and what SQL does not say alike. */
export interface SqlEngine {
  /** For reads. Big integers come as numbers. */
  readonly db: Kysely<Tables>;
  readonly text: TextIndex;
  /**
   * Runs `work` in a transaction, perhaps with others; one writer at a time, on whatever server it is. Resolves when what it
   * wrote survives a power failure; what it throws undoes its own changes and none of its neighbours'. `work` may be called
   * again where a connection broke before anything was committed.
   */
  write<Result>(work: (session: Transaction<Tables>) => Promise<Result>): Promise<Result>;
  /** Runs reads that all see one moment. */
  snapshot<Result>(work: (session: Transaction<Tables>) => Promise<Result>): Promise<Result>;
  /** A list for `in (…)` as one parameter, so that the statement is the same one whatever its length. */
  ids(values: readonly number[]): RawBuilder<number>;
  /** As {@link SqlEngine.ids}. */
  texts(values: readonly string[]): RawBuilder<string>;
  /** After rows were added with the ids that they had elsewhere: the next ids go on from the highest. */
  continueCounters(session: Transaction<Tables>): Promise<void>;
  /** Resolves when reads and writes work; rejects with the reason when they do not. */
  check(): Promise<void>;
  close(): Promise<void>;
}
