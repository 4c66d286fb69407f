import path from "node:path";
import { parsePackageRecord } from "@lading/core-manifest";
import type { Generation, PlannedPackage, Store } from "@lading/installer";
import type { EngineContext } from "./engine-context.ts";
import { EngineError } from "./engine-error.ts";
import { readTextIfExists } from "./files.ts";
import { tableIn, tableOf } from "./own-table.ts";
import { manifestIn } from "./project.ts";
import { readTestConfig } from "./test-config.ts";
import type { PackageTests, TestedPackage } from "./operations/test.ts";

/** What is about to be installed, and what was until now. */
export interface InstallTestInput {
  readonly store: Store;
  readonly planned: readonly PlannedPackage[];
  readonly installed: Generation | undefined;
}

/**
 * Runs the tests of packages that the project asks for itself and that are new in its environment, in an ecosystem whose
 * profile says so. Each sees the packages that would be installed beside it. What its manifest's `on_failure` says
 * decides: `block` refuses the installation, `warn` tells of it, `ignore` runs nothing.
 * @returns whether any were run
 * @throws {EngineError} `TESTS_FAILED`, `TEST_CONFIG_INVALID`, `TEST_CONFIG_MISSING`
 */
export async function testBeforeInstall(context: EngineContext, input: InstallTestInput): Promise<boolean> {
  if (context.profile.install.tests === "never") return false;
  let ran = false;
  const neighbours = new Map(input.planned.map((one) => [one.path, placeOf(one, input.store)]));
  for (const planned of input.planned.filter((one) => one.direct && isNew(one, input.installed))) {
    const tested = await testedPackage(context, planned, input.store);
    if (tested === undefined) continue;
    const { enabled, onFailure } = readTestConfig(tested.testing, tested.display);
    if (!enabled || onFailure === "ignore") continue;
    const installed = new Map([...neighbours].filter(([place]) => place !== planned.path));
    const { testPackage } = await import("./operations/test.ts");
    const result = await testPackage({ ...tested, installed }, {}, context);
    ran = true;
    if (result.status === "failed") judge(context, result);
  }
  return ran;
}

function placeOf({ tree, directory }: PlannedPackage, store: Store): string {
  return directory ?? store.path(tree!);
}

function isNew({ name, version, tree, path: place }: PlannedPackage, installed: Generation | undefined): boolean {
  return !(installed?.packages ?? []).some(
    (one) => one.name === name && one.version === version && one.path === place && one.tree === tree,
  );
}

/** The package with its tests, or `undefined` where it declares none. */
async function testedPackage(
  context: EngineContext,
  planned: PlannedPackage,
  store: Store,
): Promise<TestedPackage | undefined> {
  const { name, version } = planned;
  const directory = placeOf(planned, store);
  const record = await readTextIfExists(path.join(directory, ".lading", "package.json"));
  const found = record === undefined ? await ofManifest(context, directory) : ofRecord(record);
  if (found?.testing === undefined) return undefined;
  return { name, version, directory, display: found.display ?? `${name} ${version}`, testing: found.testing };
}

type Found = { readonly testing: unknown; readonly display?: string };

function ofRecord(text: string): Found | undefined {
  // Most packages declare no tests, and a record is parsed strictly, which is not free.
  if (!text.includes('"testing"')) return undefined;
  return { testing: tableIn(parsePackageRecord(JSON.parse(text)).manifest.extra ?? {}, "testing") };
}

async function ofManifest(context: EngineContext, directory: string): Promise<Found | undefined> {
  const read = await manifestIn(context, directory);
  return read && { testing: tableOf(read.manifest, "testing"), display: read.display };
}

function judge(context: EngineContext, result: PackageTests): void {
  const { package: name, version, counts, onFailure, runners } = result;
  const failing = runners.find(({ status }) => status !== "passed");
  const problem = failing?.problem ?? failing?.cases.find(({ status }) => status === "failed")?.name;
  const first =
    failing === undefined ? "" : `; runner "${failing.runner}"${problem === undefined ? "" : `: ${problem}`}`;
  const message = `${counts.failed} of ${counts.total} tests failed${first}`;
  const hint = "Tell its author, or install it without its tests: --skip-tests";
  if (onFailure === "block") {
    throw new EngineError({
      code: "TESTS_FAILED",
      message: `Cannot install "${name}" ${version}: ${message}`,
      hint,
      packages: [name],
      runners,
    });
  }
  context.onEvent({
    type: "warning",
    code: "TESTS_FAILED",
    message: `Installing "${name}" ${version}: ${message}`,
    hint,
  });
}
