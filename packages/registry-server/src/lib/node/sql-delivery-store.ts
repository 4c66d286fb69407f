import { sql, type ExpressionBuilder, type Kysely, type Selectable, type Transaction } from "kysely";
import {
  ATTEMPTS_KEPT,
  type Delivery,
  type DeliveryAttempt,
  type DeliveryQuery,
  type DeliveryResult,
  type DeliveryState,
  type DeliveryStore,
  type NewDelivery,
} from "../deliveries/delivery-store.ts";
import type { Page } from "../records.ts";
import type { SqlEngine } from "./sql-engine.ts";
import type { Tables } from "./sql-schema.ts";

type Session = Kysely<Tables> | Transaction<Tables>;
type Row = Selectable<Tables["deliveries"]>;

const POSITION = "audit";

function toDelivery(row: Row): Delivery {
  const { id, channel, target, event, payload, created, state, due, tries, attempts } = row;
  return {
    id,
    channel,
    target,
    event,
    payload,
    created,
    state: state as DeliveryState,
    ...(due === null ? {} : { due }),
    tries,
    attempts: JSON.parse(attempts) as DeliveryAttempt[],
  };
}

async function positionIn(session: Session): Promise<number> {
  const row = await session
    .selectFrom("delivery_positions")
    .select("record")
    .where("name", "=", POSITION)
    .executeTakeFirst();
  return row?.record ?? 0;
}

async function insert(session: Session, delivery: NewDelivery): Promise<void> {
  await session
    .insertInto("deliveries")
    .values({ ...delivery, state: "waiting", due: delivery.due ?? delivery.created, tries: 0, attempts: "[]" })
    .onConflict((conflict) => conflict.column("id").doNothing())
    .execute();
}

/** The {@link DeliveryStore} over SQL. */
export class SqlDeliveryStore implements DeliveryStore {
  readonly #engine: SqlEngine;

  constructor(engine: SqlEngine) {
    this.#engine = engine;
  }

  async position(): Promise<number> {
    return positionIn(this.#engine.db);
  }

  async advance(step: {
    readonly from: number;
    readonly to: number;
    readonly deliveries: readonly NewDelivery[];
  }): Promise<boolean> {
    return this.#engine.write(async (session) => {
      if ((await positionIn(session)) !== step.from) return false;
      await session
        .insertInto("delivery_positions")
        .values({ name: POSITION, record: step.to })
        .onConflict((conflict) => conflict.column("name").doUpdateSet({ record: step.to }))
        .execute();
      for (const delivery of step.deliveries) await insert(session, delivery);
      return true;
    });
  }

  async add(delivery: NewDelivery): Promise<void> {
    await this.#engine.write((session) => insert(session, delivery));
  }

  async claim(request: {
    readonly now: number;
    readonly until: number;
    readonly limit: number;
    readonly channels: readonly string[];
    readonly except?: readonly string[];
    readonly wanted?: (delivery: Delivery) => boolean;
    readonly accept?: (delivery: Delivery) => boolean;
  }): Promise<readonly Delivery[]> {
    const { now, until, limit, channels, except = [], wanted = () => true, accept = () => true } = request;
    const due = (session: Session) =>
      session
        .selectFrom("deliveries")
        .selectAll()
        .where("due", "<=", now)
        .where("channel", "in", channels)
        .$if(except.length > 0, (query) => query.where("target", "not in", except))
        .orderBy("due")
        .orderBy("id")
        .limit(limit)
        .execute();
    // First without taking a turn among the writers, for mostly there is nothing to do, or nothing that is wanted.
    if (!(await due(this.#engine.db)).some((row) => wanted(toDelivery(row)))) return [];
    return this.#engine.write(async (session) => {
      const taken = (await due(session)).map((row) => toDelivery({ ...row, due: until })).filter(accept);
      for (const { id } of taken)
        await session.updateTable("deliveries").set({ due: until }).where("id", "=", id).execute();
      return taken;
    });
  }

  async claimAgain(id: string, until: number): Promise<Delivery | undefined> {
    return this.#engine.write(async (session) => {
      const row = await session
        .updateTable("deliveries")
        .set({ due: until, state: "waiting", tries: 0 })
        .where("id", "=", id)
        .returningAll()
        .executeTakeFirst();
      return row === undefined ? undefined : toDelivery(row);
    });
  }

  async settle(id: string, { attempt, state, due }: DeliveryResult): Promise<void> {
    await this.#engine.write(async (session) => {
      const row = await session.selectFrom("deliveries").selectAll().where("id", "=", id).executeTakeFirst();
      if (row === undefined) return;
      const attempts = [...toDelivery(row).attempts, attempt].slice(-ATTEMPTS_KEPT);
      await session
        .updateTable("deliveries")
        .set({ state, due: due ?? null, tries: row.tries + 1, attempts: JSON.stringify(attempts) })
        .where("id", "=", id)
        .execute();
    });
  }

  async delivery(id: string): Promise<Delivery | undefined> {
    const row = await this.#engine.db.selectFrom("deliveries").selectAll().where("id", "=", id).executeTakeFirst();
    return row === undefined ? undefined : toDelivery(row);
  }

  async deliveries({ channel, target, state, page, perPage }: DeliveryQuery): Promise<Page<Delivery>> {
    const rows = this.#engine.db
      .selectFrom("deliveries")
      .where("channel", "=", channel)
      .where("target", "=", target)
      .$if(state !== undefined, (query) => query.where("state", "=", state!));
    const items = await rows
      .selectAll()
      .orderBy("created", "desc")
      .orderBy("id", "desc")
      .limit(perPage)
      .offset((page - 1) * perPage)
      .execute();
    const { total } = await rows.select((eb) => eb.fn.countAll<number>().as("total")).executeTakeFirstOrThrow();
    return { items: items.map(toDelivery), total };
  }

  async drop(channel: string, target: string): Promise<void> {
    await this.#engine.write((session) =>
      session.deleteFrom("deliveries").where("channel", "=", channel).where("target", "=", target).execute(),
    );
  }

  async forget(before: number): Promise<void> {
    const isOld = (eb: ExpressionBuilder<Tables, "deliveries">) =>
      eb.and([eb("created", "<", before), eb.or([eb("due", "is", null), eb("due", "<", before)])]);
    const old = await this.#engine.db.selectFrom("deliveries").select("id").where(isOld).limit(1).executeTakeFirst();
    if (old === undefined) return;
    await this.#engine.write((session) => session.deleteFrom("deliveries").where(isOld).execute());
  }

  async counts(): Promise<
    readonly { readonly channel: string; readonly state: DeliveryState; readonly count: number }[]
  > {
    const { rows } = await sql<{ channel: string; state: DeliveryState; count: number }>`
      select channel, state, count(*) as count from deliveries group by channel, state order by channel, state`.execute(
      this.#engine.db,
    );
    return rows;
  }
}
