import { isLadingError } from "@lading/core-manifest";
import { resolve } from "node:path";
import type { InstallService } from "../install-service.ts";
import { treeNames } from "../access/access-policy.ts";
import { prepareTree, treePlaces, treesIn } from "./node-trees.ts";
import type { LogListener } from "../ports.ts";
import type { Registry } from "../registry.ts";
import { RegistryError } from "../registry-error.ts";
import type { TrustDescription } from "../trust/trust-service.ts";
import { adminCommand } from "./admin-commands.ts";
import { parseCommandLine, type CommandLine } from "./command-line.ts";
import { SCHEMA_VERSION, migrate } from "./migrations.ts";
import { createNodeRegistry, dataLayout, prepareDirectory, type Bootstrap } from "./node-registry.ts";
import { assertCanListen, serve, type RegistryServer } from "./serve.ts";
import { loadServerConfig, withoutPassword, type ConfigSources, type ServerConfig } from "./server-config.ts";
import type { ServerIo } from "./server-io.ts";
import { releaseMemoryWhenIdle } from "./idle-memory.ts";
import { migrateDatabase } from "./postgres-metadata-store.ts";
import { POSTGRES_SCHEMA_VERSION } from "./postgres-migrations.ts";
import { createServerLog } from "./server-log.ts";
import { SETTINGS, allowedForm } from "./server-settings.ts";
import { mirrorCommand } from "./mirror-command.ts";
import { promoteCommand } from "./promote-command.ts";
import { openDatabase } from "./sqlite-metadata-store.ts";

/** A branded server: its name and where it listens by default. */
export interface RegistryBrand {
  /** Name of the executable: `lading-registry`. */
  readonly name: string;
  readonly defaultPort: number;
  /** Makes what `/packs/install` calls, from the environment and the server's own address; default: there is no such route. */
  readonly install?: (given: {
    readonly env: Readonly<Record<string, string | undefined>>;
    /** The server's own address; known once it listens. */
    readonly url: () => string;
  }) => InstallService;
}

function processIo(): ServerIo {
  return {
    env: process.env,
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
    readInput: async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk as Uint8Array));
      return Buffer.concat(chunks).toString("utf8");
    },
    untilAskedToEnd: () =>
      new Promise((done) => {
        for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => done(signal));
      }),
    onReload: (listener) => {
      process.on("SIGHUP", listener);
      return () => process.off("SIGHUP", listener);
    },
  };
}

function helpText({ name }: RegistryBrand): string {
  const settings = SETTINGS.map((setting) => {
    const forms = [`--${setting.flag}`, ...setting.variables, setting.key].join(" | ");
    const value = setting.default === undefined ? "" : ` (default: ${setting.default})`;
    return `  ${forms}\n      ${setting.summary}${value}; ${allowedForm(setting)}`;
  });
  return `${name}: a package registry in one process

Usage:
  ${name} [flags]                         start the server
  ${name} migrate                         bring the database to this release's schema
  ${name} mirror --from URL               bring a mirror of a registry up to date (--root, --only PATTERN,..., --list FILE)
  ${name} promote NAME@VERSION            publish a version of one registry in another (--from URL, --to URL)
  ${name} admin create-user NAME          create an account (--email, --admin, --password-stdin)
  ${name} admin reset-password NAME       give an account a new password (--password-stdin), end its sessions, remove its passkeys
  ${name} admin remove-second-factor NAME open an account whose second factor is lost by its password alone
  ${name} admin token NAME                create a token (--scopes, --packages, --cidr, --days, --token-name)
  ${name} admin verify                    check that every published byte is there and whole
  ${name} admin rebuild-index             render every index document again
  ${name} admin backup DIRECTORY          copy database and files, also beside a running server
  ${name} admin restore DIRECTORY         make a new data directory of a backup
  ${name} admin migrate-to FILE           move the registry to the stores that a configuration file names
  ${name} admin export-bundle DIRECTORY   carry what a mirror holds elsewhere (--since BUNDLE, --only PATTERN,..., --list FILE)
  ${name} admin import-bundle DIRECTORY   take a bundle up into a mirror (--root, --only, --list, --max-age 30d)
  ${name} admin retention                 show what the retention policy would remove (--apply removes it and its files)
  ${name} admin quota [SUBJECT [LIMITS]]  show or set what user:NAME, organisation:NAME, package:NAME or registry may hold
  ${name} admin gc                        remove files that no version needs (--dry-run counts them)
  ${name} admin audit verify              check the audit trail, record by record, and against the log
  ${name} admin audit export              write it (--since, --until, --actor, --package, --action, --format jsonl|csv, --tree)
  ${name} admin audit seal                state in the log how far it went, as the server does every hour and at its end
  ${name} admin keys status [FILE]        the root in force, or how far a drafted one is signed
  ${name} admin keys create FILE          make a key file for an offline root
  ${name} admin keys root                 draft the next root (--root-keys A.pub,B.pub,C.pub --threshold 2 --out FILE)
  ${name} admin keys rotate ROLE          make a new online key and draft a root that names it (--out FILE)
  ${name} admin keys sign FILE            sign a draft, offline (--key FILE; --out FILE)
  ${name} admin keys combine FILE...      put signed copies of a draft together (--out FILE)
  ${name} admin keys install FILE         use a root from the next start on
      (--tree NAME: the keys of a tree of private packages)

Settings, weakest first: default, TOML file (--config FILE or REGISTRY_CONFIG), environment, flag.

${settings.join("\n")}

Other flags:
  --config FILE     read settings from a TOML file
  --print-config    print every setting with its value and origin, and end
  --version, --help

Example:
  ${name} --host 0.0.0.0 --port 8080 --data /var/lib/${name}
`;
}

function printConfig(config: ServerConfig): string {
  const lines = config.resolved.map(({ setting, value, origin }) => {
    const shown = setting.secret === true ? '"***"' : withoutPassword(JSON.stringify(value));
    return `${setting.key} = ${shown} # ${origin}`;
  });
  return `${lines.join("\n")}\n`;
}

function keyLines(trust: TrustDescription | undefined): string[] {
  if (trust === undefined) return [];
  const { root, log } = trust;
  return [`Root ${root.version}: ${root.digest}${root.development ? " (development)" : ""}`, `Log key: ${log.key}`];
}

function welcome(
  brand: RegistryBrand,
  server: RegistryServer,
  config: ServerConfig,
  { bootstrap, trust }: { readonly bootstrap: Bootstrap | undefined; readonly trust: TrustDescription | undefined },
): string {
  const lines = [
    `${brand.name} listens on ${server.url} (${config.registry.mode} mode, data in ${resolve(config.registry.dataDirectory)})`,
    `API documentation: ${server.url}/docs`,
    ...keyLines(trust),
  ];
  if (bootstrap !== undefined) {
    lines.push(
      "",
      "First start. These are shown once:",
      `  user      ${bootstrap.username}`,
      `  password  ${bootstrap.password}`,
      `  token     ${bootstrap.token}`,
      `The token is also in ${bootstrap.tokenFile} (readable by you only).`,
    );
  }
  return `${lines.join("\n")}\n`;
}

/** Takes the access rules as they are now; what cannot be used changes nothing. */
async function reloadAccess(
  registry: Registry,
  {
    sources,
    before,
    log,
  }: { readonly sources: ConfigSources; readonly before: ServerConfig; readonly log: LogListener },
): Promise<void> {
  try {
    const now = loadServerConfig(sources).registry;
    for (const key of ["readPublic", "writeRequiresAuth"] as const) {
      if (now[key] === before.registry[key]) continue;
      const name = key === "readPublic" ? "read_public" : "write_requires_auth";
      throw new RegistryError({
        code: "ACCESS_RULES_INVALID",
        message: `Cannot change "${name}" to ${now[key]} while the server runs`,
        hint: "Start the server again",
      });
    }
    await registry.replaceAccess(now.access);
    log("info", "access rules read again", { rules: now.access?.packages.length ?? 0 });
  } catch (error) {
    log("error", "the access rules cannot be used; those that were read before stay in force", {
      error: error instanceof Error ? error.message : String(error),
      ...(isLadingError(error) ? { code: error.code, hint: error.hint } : {}),
    });
  }
}

/** Reloads one after the other, so that the last file wins. */
function reloading(io: ServerIo, reload: () => Promise<void>): () => void {
  let last = Promise.resolve();
  return io.onReload(() => {
    last = last.then(reload);
  });
}

async function serveCommand(brand: RegistryBrand, io: ServerIo, sources: ConfigSources): Promise<number> {
  const config = loadServerConfig(sources);
  const log = createServerLog(config.logLevel);
  const address = { host: config.host, port: config.port };
  // Before there is an account whose password would be shown to nobody.
  await assertCanListen(address);
  let own = config.registry.publicUrl ?? `http://localhost:${config.port}`;
  const install = brand.install?.({ env: io.env, url: () => own });
  const { registry, bootstrap } = await createNodeRegistry({
    ...config.registry,
    log,
    ...(install === undefined ? {} : { install }),
  });
  await registry.start();
  const server = await serve(registry, address).catch(async (error: unknown) => {
    await registry.stop();
    throw error;
  });
  own = config.registry.publicUrl ?? server.url.replace("//0.0.0.0:", "//127.0.0.1:");
  // Whoever reads that it listens may ask it to end at once.
  const asked = io.untilAskedToEnd();
  const stopReloading = reloading(io, () => reloadAccess(registry, { sources, before: config, log }));
  io.err(welcome(brand, server, config, { bootstrap, trust: registry.trust }));
  const stopReleasing = releaseMemoryWhenIdle();
  const signal = await asked;
  stopReleasing();
  stopReloading();
  log("info", "stopping", { signal });
  await server.close(config.shutdownTimeoutMs);
  return 0;
}

function tellMigrated(io: ServerIo, applied: readonly string[], version: number, tree?: string): void {
  const of = tree === undefined ? "" : ` of tree "${tree}"`;
  io.out(
    applied.length === 0
      ? `Schema${of} is current: version ${version}\n`
      : `Applied to schema${of} version ${version}: ${applied.join("; ")}\n`,
  );
}

async function migrateCommand(io: ServerIo, config: ServerConfig): Promise<number> {
  const { dataDirectory, databaseFile, databaseUrl } = config.registry;
  const trees = await treesIn(dataDirectory);
  if (databaseUrl !== undefined) {
    const ruled = treeNames(config.registry.access?.packages ?? []);
    tellMigrated(io, await migrateDatabase(databaseUrl), POSTGRES_SCHEMA_VERSION);
    for (const name of new Set([...trees, ...ruled])) {
      const tree = await prepareTree({ dataDirectory, databaseUrl }, name);
      tellMigrated(io, await migrateDatabase(tree.databaseUrl!), POSTGRES_SCHEMA_VERSION, name);
    }
    return 0;
  }
  await prepareDirectory(dataDirectory);
  tellMigrated(io, migrateFile(databaseFile ?? dataLayout(dataDirectory).database), SCHEMA_VERSION);
  for (const name of trees) {
    const tree = treePlaces({ dataDirectory }, name);
    tellMigrated(io, migrateFile(dataLayout(tree.dataDirectory).database), SCHEMA_VERSION, name);
  }
  return 0;
}

function migrateFile(file: string): readonly string[] {
  const database = openDatabase(file);
  try {
    return migrate(database, file);
  } finally {
    database.close();
  }
}

async function dispatch(brand: RegistryBrand, io: ServerIo, { words, flags }: CommandLine): Promise<number> {
  if (flags["help"] !== undefined || words[0] === "help") {
    io.out(helpText(brand));
    return 0;
  }
  const { config: file, ...rest } = flags;
  const sources: ConfigSources = {
    env: io.env,
    flags: rest,
    ...(file === undefined ? {} : { file }),
    defaults: { "server.port": String(brand.defaultPort), "server.name": brand.name },
  };
  const config = loadServerConfig(sources);
  if (flags["version"] !== undefined) {
    io.out(`${config.registry.version}\n`);
    return 0;
  }
  if (flags["print-config"] !== undefined) {
    io.out(printConfig(config));
    return 0;
  }
  const [command, ...more] = words;
  if (command === undefined || command === "serve") return serveCommand(brand, io, sources);
  if (command === "migrate") return migrateCommand(io, config);
  if (command === "mirror") return mirrorCommand({ flags, io, config });
  if (command === "promote") return promoteCommand({ words: more, flags, io });
  if (command === "admin") return adminCommand({ words: more, flags, io, config });
  throw new RegistryError({
    code: "SERVER_CONFIG_INVALID",
    message: `Cannot run "${command.slice(0, 60)}": unknown command, allowed are "serve", "migrate", "mirror", "promote" and "admin"`,
    hint: `${brand.name} --help lists every command`,
  });
}

function report(brand: RegistryBrand, io: ServerIo, error: unknown): number {
  if (!isLadingError(error)) throw error;
  io.err(`${brand.name}: ${error.message} [${error.code}]\n`);
  if (error.hint !== undefined) io.err(`hint: ${error.hint}\n`);
  return error.exitCode;
}

/**
 * Runs a registry server's command line: start, `migrate`, `admin …`, `--help`, `--print-config`. Resolves with the
 * process's exit code; a running server ends by SIGTERM or SIGINT.
 */
export async function runRegistry(
  argv: readonly string[],
  brand: RegistryBrand,
  io: ServerIo = processIo(),
): Promise<number> {
  try {
    return await dispatch(brand, io, parseCommandLine(argv));
  } catch (error) {
    return report(brand, io, error);
  }
}
