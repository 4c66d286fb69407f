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
  async all(session: Kysely<Tables>, values: Values): Promise<Row[]> {
    const compiled = this.#compiledFor(session);
    const parameters = compiled.parameters.map((value) =>
      value instanceof Place ? values[value.name as keyof Values] : value,
    );
    return (await session.executeQuery<Row>({ ...compiled, parameters })).rows;
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
