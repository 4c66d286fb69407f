import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createSandbox, startRegistry, type RegistryProcess, type RunOptions, type Sandbox } from "./lib/harness.ts";
import { deviations, mergeShapes, shapeOf, type Shape } from "./lib/json-shape.ts";

const FILE = new URL("../docs/spec/cli-output.schema.json", import.meta.url);

interface Published {
  readonly $schema: string;
  readonly title: string;
  readonly description: string;
  readonly $defs: Readonly<Record<string, Shape>>;
}

/** Commands whose result is a map, and not an object with keys of its own. */
const MAPS: ReadonlySet<string> = new Set(["config list"]);

/** Commands that print a script, or documents that have a format of their own. */
const WITHOUT_JSON = /^(?:completion|index-\w+|pack-\w+|chaos|create-env|env|scan|audit|build)$/;

let registry: RegistryProcess;
let box: Sandbox;
const seen = new Map<string, unknown[]>();

beforeAll(async () => {
  registry = await startRegistry({ env: { REGISTRY_OUTBOUND_ALLOW: "127.0.0.1" } });
  box = createSandbox({ env: { LADING_TOKEN: registry.token } });
});
afterAll(async () => {
  await box.dispose();
  await registry.dispose();
});

const inApp = { cwd: "app" };

/** Runs a line with `--json`; the result is kept under the command's words. */
async function result(words: string, rest = "", options: RunOptions = {}): Promise<unknown> {
  const { stdout, code, stderr } = await box.line(`lading ${words} --json ${rest}`, options);
  if (stdout === "") throw new Error(`lading ${words} ${rest} ended with ${code}: ${stderr}`);
  const value = JSON.parse(stdout) as unknown;
  seen.set(words, [...(seen.get(words) ?? []), value]);
  return value;
}

async function session(): Promise<void> {
  await result("registry add", `local ${registry.url}`);
  await result("registry list");
  await result("keygen", "--output key.pem");
  await result("new", "leaf --license MIT --description Leaf");
  for (const version of ["1.0.0", "1.1.0", "2.0.0"]) {
    const manifest = box.read("leaf/lading.toml");
    box.write("leaf/lading.toml", manifest.replace(/^version = .*$/m, `version = "${version}"`));
    await result("pack", "", { cwd: "leaf" });
    await result("publish", "--key ../key.pem", { cwd: "leaf" });
  }
  await result("sign", "target/package/leaf-2.0.0.lpk --key ../key.pem", { cwd: "leaf" });
  await result("verify", "target/package/leaf-2.0.0.lpk", { cwd: "leaf" });
  await result("key export", "key.pub --as minisign");
  await result("sign", "key.pub --for minisign --key key.pem");
  await result("verify", "key.pub --signature key.pub.minisig --key key.pub");
  await result("init", "app --license MIT --description App", { cwd: "." });
  box.write("app/lading.toml", '[package]\nname = "app"\nversion = "1.0.0"\n');
  await result("add", "leaf@1.0.0", inApp);
  await box.ok("rm -rf lading.lock .lading lading_packages", inApp);
  await result("prepare", "", inApp);
  for (const rest of ["", "", "--dry-run", "--verify full"]) await result("install", rest, inApp);
  for (const rest of ["", "--dry-run"]) {
    await result("lock", rest, inApp);
    await result("update", rest, inApp);
  }
  box.write("app/lading.toml", box.read("app/lading.toml").replace('leaf = "1.0.0"', 'leaf = "^1.0.0"'));
  await result("lock", "", inApp);
  await result("update", "", inApp);
  await result("outdated", "", inApp);
  await result("licenses", "", inApp);
  await result("bundle create", "../bundle", inApp);
  await result("bundle verify", "../bundle", inApp);
  await result("upgrade", "", inApp);
  await result("tree", "", inApp);
  await result("why", "leaf", inApp);
  await result("check", "", inApp);
  await result("resolve", "", inApp);
  await result("why-not", "leaf@1.1.0", inApp);
  await result("checksum", "leaf");
  await result("history", "", inApp);
  await result("rollback", "", inApp);
  await result("verify", "", inApp);
  await result("remove", "leaf", inApp);
  await result("search", "leaf");
  await result("info", "leaf");
  await result("fetch", "leaf@2.0.0");
  await result("yank", 'leaf@1.1.0 --reason "broken"');
  await result("info", "leaf@1.1.0");
  await result("unyank", "leaf@1.1.0");
  await result("deprecate", 'leaf@1.0.0 --reason "old"');
  await result("channel add", "leaf@1.0.0 beta");
  await result("channel list", "leaf");
  await result("channel remove", "leaf beta");
  await result("owner", "list leaf");
  await result("review list");
  await result("takedown", 'leaf@1.1.0 --reason "broken"');
  await result("takedown", "leaf@1.1.0 --undo");
  await result("org create", 'acme --title "Acme Ltd"');
  await result("org list");
  await result("team set", "acme/core --role publish --title Core");
  await result("team add", "acme/core admin");
  await result("namespace claim", "acme acme");
  await result("namespace challenge", "acme acme-example acme.example");
  await result("org info", "acme");
  await result("org members", "acme");
  await result("org invite", "acme new@example.org --team core");
  await result("org invitations", "acme");
  box.write("team.toml", "[security]\nverify_signatures = true\n");
  await result("org config set", "acme/default team.toml");
  await result("org config list", "acme");
  await result("org config get", "acme/default");
  await result("report usage", "--package leaf");
  await result("report usage", "--org acme");
  await result("report licenses");
  const hook = (await result("webhook add", "http://127.0.0.1:9/hook --package leaf")) as { id: string };
  await result("webhook list", "--package leaf");
  const sent = (await result("webhook test", `${hook.id} --package leaf`)) as { id: string };
  await result("webhook deliveries", `${hook.id} --package leaf`);
  await result("webhook redeliver", `${hook.id} ${sent.id} --package leaf`);
  await result("webhook rotate", `${hook.id} --package leaf`);
  await result("webhook disable", `${hook.id} --package leaf`);
  await result("webhook enable", `${hook.id} --package leaf`);
  await result("invitation list");
  await result("owner transfer list");
  await result("package claim list");
  await result("account otp status");
  await result("account passkey list");
  await result("account session list");
  await result("token create", "ci --scope read --cidr 192.0.2.0/24 --days 1");
  await result("token list");
  await result("trusted-publisher add", "leaf --issuer https://gitlab.com --claim project_id=1,namespace_id=2");
  await result("trusted-publisher list", "leaf");
  await result("whoami");
  await result("login", "--token-stdin", { input: `${registry.token}\n` });
  await result("logout");
  await result("config set", "signing.auto false");
  await result("config get", "signing.auto");
  await result("config list");
  await result("config unset", "signing.auto");
  await result("registry trust", "local");
  for (const rest of ["", "--full"]) await result("log verify", rest);
  await result("log monitor", "leaf");
  await result("audit verify");
  await result("cache info");
  await result("cache verify");
  await result("cache clean", "--dry-run");
  await result("clean", "--dry-run", inApp);
  await result("explain", "LOCK_OUTDATED");
  await result("registry remove", "local");
  box.copy("examples/own-ecosystem/profile.toml", "profile.toml");
  await result("profile check", "profile.toml");
  box.write("npm/package.json", JSON.stringify({ name: "n", version: "1.0.0", scripts: { build: "x" } }));
  await result("migrate", "--from npm", { cwd: "npm" });
  await result("migrate", "--from npm --to gal.toml --dry-run", { cwd: "npm" });
  box.write(
    "app/lading.toml",
    `${box.read("app/lading.toml")}\n[scripts]\nshow = "true"\n\n[testing.runners.one]\ntype = "script"\nentry_point = "t.sh"\n`,
  );
  box.write("app/t.sh", "echo Passed: 1\necho Failed: 1\nexit 1\n");
  await result("test", "", inApp);
  await result("test", "--pass-env PATH --min-pass-rate 0.5", inApp);
  await result("run", "", inApp);
  await result("exec", "true", inApp);
  await result("ci init", "github", inApp);
  await result("tool list");
  await result("link", "", inApp);
  await result("unlink", "--all", inApp);
  await result("vendor", "", inApp);
  const { stderr } = await box.line("lading explain LOCK_MISING --json");
  seen.set("error", [JSON.parse(stderr)]);
}

function observed(): Record<string, Shape> {
  const shapes = [...seen].map(([words, values]): [string, Shape] => [
    words,
    values.map((value) => shapeOf(value, { map: MAPS.has(words) })).reduce<Shape | undefined>(mergeShapes, undefined)!,
  ]);
  return Object.fromEntries(shapes.sort(([left], [right]) => (left < right ? -1 : 1)));
}

describe("--json", () => {
  it("prints what docs/spec/cli-output.schema.json describes, for every command", async () => {
    await session();
    if (process.env["UPDATE_SCHEMAS"] === "1") {
      const published: Published = {
        $schema: "https://json-schema.org/draft/2020-12/schema",
        title: "Results of commands with --json",
        description:
          "One definition for each command by its words, and for an error on standard error. Further keys may come with any release.",
        $defs: observed(),
      };
      writeFileSync(FILE, `${JSON.stringify(published, null, 2)}\n`);
    }
    const { $defs } = JSON.parse(readFileSync(FILE, "utf8")) as Published;
    const found = [...seen].flatMap(([words, values]) =>
      values.flatMap((value) => deviations(value, $defs[words], words)),
    );
    expect(found).toEqual([]);
    const { stdout } = await box.ok("lading complete --");
    const commands = stdout
      .trim()
      .split("\n")
      .filter((words) => !WITHOUT_JSON.test(words));
    const described = Object.keys($defs);
    expect(commands.filter((first) => !described.some((words) => words.split(" ")[0] === first))).toEqual([]);
  }, 300_000);
});
