import { join } from "node:path";
import { expect } from "vitest";
import { startPostgres } from "./postgres.ts";
import { freshDirectory } from "./processes.ts";
import { blobAt, inParallel, indexedVersions, makePackage, publishAt, type PackageFile } from "./publications.ts";
import { startRadosgw } from "./radosgw.ts";
import { adminToken, bucketVariables, runCommand, startServer, type Server } from "./server.ts";

const CLIENTS = 6;
const END_CONNECTIONS =
  "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'lading-registry%' and pid <> pg_backend_pid()";

/** What is killed while publishers are at work. */
export type Victim = "server" | "connections" | "store";

/** What came of it. */
export interface Outcome {
  readonly kills: Readonly<Record<Victim, number>>;
  readonly acknowledged: number;
  /** Publications that ended in an error, and were sent again. */
  readonly repeated: number;
}

interface Attempt {
  readonly file: PackageFile;
  readonly acknowledged: boolean;
}

/**
 * Kills servers, connections to the database and the gateway of the store at random moments, with publishers at work, and
 * demands after each kill: nothing that was acknowledged is lost, nothing is half visible, and what was not acknowledged can
 * be published without anybody's hand.
 */
export async function killAtRandom(count: number): Promise<Outcome> {
  const [postgres, s3, directory] = await Promise.all([startPostgres(), startRadosgw(), freshDirectory("kills")]);
  const database = await postgres.createDatabase();
  const env = {
    DATABASE_URL: database,
    REGISTRY_KEYS_DIR: join(directory.path, "keys"),
    JWT_SECRET_KEY: "a-secret-that-all-servers-know-0123456789",
    ...bucketVariables(await s3.createBucket()),
  };
  const dataOf = (at: number): string => join(directory.path, `server-${at}`);
  const start = (at: number): Promise<Server> => startServer({ data: dataOf(at), env });
  const servers = [await start(0), await start(1)] as [Server, Server];
  const token = await adminToken(dataOf(0));
  const kills = { server: 0, connections: 0, store: 0 };
  const all: PackageFile[] = [];
  let repeated = 0;

  const attempt = async (file: PackageFile, at: number): Promise<Attempt> => {
    try {
      const { status, body } = await publishAt(servers[at % 2]!.url, token, file);
      // An error says what is wrong; it is never a fault that was not thought of.
      if (status !== 201) expect([status, body["code"]]).toEqual([503, "UNAVAILABLE"]);
      return { file, acknowledged: status === 201 };
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      return { file, acknowledged: false };
    }
  };
  const hurt: Readonly<Record<Victim, (round: number) => Promise<() => Promise<void>>>> = {
    server: async (round) => {
      const at = round % 2;
      await servers[at]!.kill();
      return async () => {
        servers[at] = await start(at);
      };
    },
    connections: async () => {
      await postgres.query(database, END_CONNECTIONS);
      return async () => {};
    },
    store: async () => {
      await s3.kill();
      return () => s3.restart();
    },
  };
  const expectWhole = async (file: PackageFile): Promise<boolean> => {
    const found = (await indexedVersions(servers[0].url, file.name)).get(file.version);
    if (found === undefined) return false;
    expect(found).toBe(file.blob);
    const details = await fetch(`${servers[1].url}/api/v1/packages/${file.name}/versions/${file.version}`);
    expect(details.status).toBe(200);
    expect(await blobAt(servers[1].url, file.blob)).toBe(file.blob);
    return true;
  };

  try {
    for (let round = 0; round < count; round += 1) {
      // Of five kills two hit a server, two the connections, one the store, which takes seconds to start again.
      const victim = (["server", "connections", "server", "connections", "store"] as const)[round % 5]!;
      const files = await Promise.all(
        Array.from({ length: CLIENTS * 2 }, (_, at) =>
          makePackage(`package-${(round + at) % 7}`, `${round}.${at}.0`, [500, 60_000, 300_000][at % 3]),
        ),
      );
      const attempts: Attempt[] = [];
      const publishing = inParallel(files, CLIENTS, async (file, at) => {
        attempts.push(await attempt(file, at));
      });
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 250));
      const heal = await hurt[victim](round);
      kills[victim] += 1;
      await publishing;
      await heal();
      for (const { file, acknowledged } of attempts) {
        let visible = false;
        // Another server shows a commit within moments.
        if (acknowledged)
          await expect.poll(async () => (visible = await expectWhole(file)), { timeout: 15_000 }).toBe(true);
        else visible = await expectWhole(file);
        if (acknowledged) continue;
        repeated += 1;
        const { status } = await publishAt(servers[round % 2]!.url, token, file);
        expect([200, 201]).toContain(status);
        if (visible) expect(status).toBe(200);
      }
      all.push(...files);
    }
    await inParallel(all, 16, async (file) => {
      await expect.poll(() => expectWhole(file), { timeout: 15_000 }).toBe(true);
    });
    await expect
      .poll(async () => (await postgres.query(database, "select count(*)::int as left from outbox"))[0], {
        timeout: 30_000,
      })
      .toEqual({ left: 0 });
    const [rows] = await postgres.query(
      database,
      `select (select count(*)::int from versions) as versions, (select count(distinct leaf)::int from artifacts) as leaves,
       (select max(id)::int from feed) as feed, (select (max(id) + 1 - count(*))::int from log_entries) as gaps`,
    );
    expect(rows).toEqual({ versions: all.length, leaves: all.length, feed: all.length, gaps: 0 });
    for (const server of servers) expect(await server.stop()).toBe(0);
    const verify = await runCommand(["admin", "verify", "--data", dataOf(0)], env);
    expect([verify.code, JSON.parse(verify.out)]).toEqual([0, expect.objectContaining({ bad: [] })]);
    return { kills, acknowledged: all.length - repeated, repeated };
  } finally {
    for (const server of servers) await server.kill();
    await postgres.stop();
    await s3.stop();
    await directory.remove();
  }
}
