/** What the checks of GAL stand on: two registries, homes that know them, packages to depend on. */
import { api, createSandbox, startRegistry, type RegistryProcess, type Sandbox } from "./harness.ts";

const DEFAULT_URL = "https://registry.gal-lang.org";
/** Address of the second registry in the documents. */
export const COMPANY_URL = "https://packages.company.com";

/** The default registry. */
export let main: RegistryProcess;
/** The second registry. */
export let company: RegistryProcess;
let sandboxes: Sandbox[] = [];

/** A home of its own. Documented addresses stand for the two local registries, documented secrets for real ones. */
export function open(env: Readonly<Record<string, string>> = {}): Sandbox {
  const sandbox = createSandbox({
    replace: {
      [DEFAULT_URL]: main.url,
      [COMPANY_URL]: company.url,
      "--token abc123": `--token ${company.token}`,
      "--token your-api-token": `--token ${main.token}`,
      "--password pass": "--password a-long-password",
    },
    env,
  });
  sandboxes.push(sandbox);
  return sandbox;
}

/** The registry that a user of GAL has by default, here on this machine. */
export function registriesToml(more = ""): string {
  return `default_registry = "default"\n\n[registries.default]\nname = "default"\nurl = "${main.url}"\nauth_type = "Token"\nverify_signatures = false\nallow_insecure = false\ntimeout_seconds = 30\nmax_retries = 3\n${more}`;
}

/** The table of the second registry. */
export const companyToml = (): string =>
  `\n[registries.company]\nname = "company"\nurl = "${company.url}"\nauth_type = "Token"\nverify_signatures = false\n`;

/** A sandbox with the default registry configured and a project in `my-package`. */
export function project(manifest: string, env: Readonly<Record<string, string>> = {}): Sandbox {
  const sandbox = open({ GAL_REGISTRY_TOKEN: main.token, ...env });
  sandbox.write("~/.config/gal/registries.toml", registriesToml());
  sandbox.write("my-package/gal.toml", manifest);
  sandbox.write("my-package/src/main.gal", "actor Main {}\n");
  return sandbox;
}

/** The manifest of the walkthrough; its last line opens the dependencies. */
export const MY_PACKAGE = `# The package of the walkthrough
[package]
name        = "my-package"   # aligned by hand
version     = "1.0.0"
authors     = ["Your Name <your@email.com>"]
description = "A GAL package"
license     = "MIT"
keywords    = ["actor", "concurrency"]
categories  = ["actor-model", "utilities"]
edition     = "2024"

[dependencies]
`;

/** In the directory of {@link project}. */
export const inside = { cwd: "my-package" } as const;

/** A package to publish. */
export interface Fixture {
  readonly name: string;
  readonly version: string;
  readonly description?: string;
  readonly more?: string;
}

/** Publishes a package to the default registry. */
export async function publish(
  sandbox: Sandbox,
  { name, version, description = `The ${name} package`, more = "" }: Fixture,
): Promise<void> {
  const directory = `fixtures/${name}-${version}`;
  sandbox.write(
    `${directory}/gal.toml`,
    `[package]\nname = "${name}"\nversion = "${version}"\ndescription = "${description}"\nlicense = "MIT"\nkeywords = ["actor"]\n\n${more}`,
  );
  sandbox.write(`${directory}/src/lib.gal`, `// ${name} ${version}\n`);
  await sandbox.ok("gal-pkg publish", { cwd: directory });
}

/** What a registry answers for one version: 200 or 404. */
export const statusOf = async (registry: RegistryProcess, name: string, version: string): Promise<number> =>
  (await api(registry, `/api/v1/packages/${name}/versions/${version}`)).status;

/** Starts both registries and publishes to the first, in this order. */
export async function startRegistries(fixtures: readonly Fixture[]): Promise<void> {
  sandboxes = [];
  [main, company] = await Promise.all([startRegistry(), startRegistry()]);
  const publisher = open({ GAL_REGISTRY_TOKEN: main.token });
  publisher.write("~/.config/gal/registries.toml", registriesToml());
  for (let index = 0; index < fixtures.length; index += 2) {
    await Promise.all(fixtures.slice(index, index + 2).map((fixture) => publish(publisher, fixture)));
  }
}

/** Stops the registries and deletes every home. */
export async function stopRegistries(): Promise<void> {
  await Promise.all(sandboxes.map((sandbox) => sandbox.dispose()));
  await Promise.all([main, company].map((registry) => registry.dispose()));
}
