import { sql, type CompiledQuery, type Kysely, type RawBuilder } from "kysely";
import type { Tables } from "./sql-schema.ts";

class Place {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/** Puts a value that each run gives into a statement. */
export type PlaceOf<Values> = <Name extends keyof Values & string>(name: Name) => RawBuilder<Values[Name]>;

interface Statement<Row> {
  compile(db: Kysely<Tables>): CompiledQuery<Row>;
}

/**
 * Runs a statement in this very turn, where nothing stands before it; `undefined` where it has to wait for what does.
 */
export type RunNow = (session: Kysely<Tables>, query: CompiledQuery) => readonly unknown[] | undefined;

const RUNNERS = new WeakMap<object, RunNow>();

/**
 * Lets the prepared statements of a database, and of its transactions, be run by `run`: for databases that answer at once.
 * To hand a statement from promise to promise costs more than such a database takes to answer it.
 */
export function runNow(db: Kysely<Tables>, run: RunNow): void {
  RUNNERS.set(db.getExecutor().adapter, run);
}

/** The rows of a compiled statement. */
export async function rowsOf<Row>(session: Kysely<Tables>, query: CompiledQuery<Row>): Promise<readonly Row[]> {
  const rows = RUNNERS.get(session.getExecutor().adapter)?.(session, query);
  return rows === undefined ? (await session.executeQuery(query)).rows : (rows as readonly Row[]);
}

/**
 * A statement that is put together once for each database: to do that each time costs several times what running it costs.
 * For the statements of every publication.
 */
export class Prepared<Values extends object, Row> {
  readonly #build: (db: Kysely<Tables>, place: PlaceOf<Values>) => Statement<Row>;
  // One adapter for a database and all its transactions.
  readonly #compiled = new WeakMap<object, CompiledQuery<Row>>();

  constructor(build: (db: Kysely<Tables>, place: PlaceOf<Values>) => Statement<Row>) {
    this.#build = build;
  }

  /** Every row of the answer. */
  async all(session: Kysely<Tables>, values: Values): Promise<readonly Row[]> {
    const compiled = this.#compiledFor(session);
    const parameters = compiled.parameters.map((value) =>
      value instanceof Place ? values[value.name as keyof Values] : value,
    );
    return rowsOf(session, { ...compiled, parameters });
  }

  /** The first row of the answer. */
  async first(session: Kysely<Tables>, values: Values): Promise<Row | undefined> {
    return (await this.all(session, values))[0];
  }

  #compiledFor(session: Kysely<Tables>): CompiledQuery<Row> {
    const { adapter } = session.getExecutor();
    const known = this.#compiled.get(adapter);
    if (known !== undefined) return known;
    const compiled = this.#build(session, (name) => sql.val(new Place(name)) as RawBuilder<never>).compile(session);
    this.#compiled.set(adapter, compiled);
    return compiled;
  }
}
