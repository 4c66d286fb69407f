import { access, chown, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import pg from "pg";
import { freePort, freshDirectory, missing, run, startService, until, type Service } from "./processes.ts";

const HOME = "/usr/lib/postgresql";
const OLDEST = 15;
const USER = "registry";
const PASSWORD = "of-the-test";

/** A PostgreSQL server of its own on the loopback interface. */
export interface PostgresServer {
  /** URL of a new, empty database. */
  createDatabase(): Promise<string>;
  /** Runs a statement as superuser in the database of a URL. */
  query(url: string, text: string): Promise<readonly Record<string, unknown>[]>;
  /** The server's process: what kills it is a crash of the database. */
  crash(): Promise<void>;
  /** Starts it again after {@link PostgresServer.crash}. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

async function binaries(): Promise<string> {
  const found = (await readdir(HOME).catch(() => []))
    .map(Number)
    .filter((version) => version >= OLDEST)
    .sort((left, right) => right - left);
  const [newest] = found;
  if (newest === undefined) throw missing(`PostgreSQL ${OLDEST} or later in ${HOME}`);
  const path = join(HOME, String(newest), "bin");
  await access(join(path, "postgres")).catch(() => {
    throw missing(join(path, "postgres"));
  });
  return path;
}

interface Identity {
  readonly uid: number;
  readonly gid: number;
  /** Put before a command line to run it as that user. */
  readonly prefix: readonly string[];
}

// The database refuses to run as root; Debian's package has a user for it.
async function identity(): Promise<Identity> {
  if (process.getuid?.() !== 0) return { uid: process.getuid!(), gid: process.getgid!(), prefix: [] };
  const uid = Number(await run("id", ["-u", "postgres"]));
  const gid = Number(await run("id", ["-g", "postgres"]));
  return { uid, gid, prefix: ["setpriv", "--reuid", String(uid), "--regid", String(gid), "--clear-groups"] };
}

async function connected<Result>(url: string, work: (client: pg.Client) => Promise<Result>): Promise<Result> {
  const client = new pg.Client(url);
  client.on("error", () => {});
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Makes a cluster in a temporary directory, or in a given one, and starts it. */
export async function startPostgres(options: { readonly directory?: string } = {}): Promise<PostgresServer> {
  const bin = await binaries();
  const { uid, gid, prefix } = await identity();
  const given = options.directory;
  const directory = given === undefined ? await freshDirectory("postgres") : { path: given, remove: async () => {} };
  await chown(directory.path, uid, gid);
  const secret = join(directory.path, "password");
  await writeFile(secret, PASSWORD, { mode: 0o600 });
  await chown(secret, uid, gid);
  const data = join(directory.path, "data");
  const init = [...prefix, join(bin, "initdb"), "-D", data, "-U", USER, "-A", "scram-sha-256"];
  await run("env", [...init, `--pwfile=${secret}`, "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]);
  const port = await freePort();
  const at = (database: string): string => `postgresql://${USER}:${PASSWORD}@127.0.0.1:${port}/${database}`;
  const settings = [
    "max_connections=60",
    "fsync=on",
    "unix_socket_directories=",
    "listen_addresses=127.0.0.1",
    // After a crash it syncs what it finds: some hundred files of each database that the suites made, one by one.
    "recovery_init_sync_method=syncfs",
  ];
  const start = async (): Promise<Service> => {
    const [program, ...args] = [...prefix, join(bin, "postgres"), "-D", data, "-p", String(port)];
    const service = await startService(program, [...args, ...settings.flatMap((setting) => ["-c", setting])]);
    await until("PostgreSQL", () => connected(at("postgres"), (client) => client.query("select 1")), {
      service,
      seconds: 120,
    });
    return service;
  };
  let service = await start();
  let databases = 0;
  return {
    createDatabase: async () => {
      databases += 1;
      const name = `registry_${databases}`;
      await connected(at("postgres"), (client) => client.query(`create database ${name}`));
      return at(name);
    },
    query: async (url, text) =>
      (await connected(url, (client) => client.query(text))).rows as Record<string, unknown>[],
    crash: () => service.kill(),
    restart: async () => {
      service = await start();
    },
    stop: async () => {
      await service.stop("SIGINT");
      await directory.remove();
    },
  };
}
