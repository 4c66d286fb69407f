import path from "node:path";
import {
  ManifestError,
  isLadingError,
  parseLockfile,
  readManifest,
  validateLicense,
  type Diagnostic,
  type LadingError,
} from "@lading/core-manifest";
import type { EngineContext } from "../engine-context.ts";
import { EngineError } from "../engine-error.ts";
import { displayPath, exists, readTextIfExists } from "../files.ts";
import { recordOf } from "../local-artefact.ts";
import { readRegistries } from "../configured-registries.ts";
import { collectMember } from "./pack.ts";
import { collectLocalPackages } from "../local-packages.ts";
import { readLock, satisfiesMembers } from "../lock-file.ts";
import { tableOf } from "../own-table.ts";
import {
  chooseMembers,
  loadLooseProject,
  loadProject,
  type Member,
  type MemberChoice,
  type Project,
} from "../project.ts";
import { readTestConfig } from "../test-config.ts";

/** What a check found. */
export interface CheckResult {
  readonly problems: readonly Diagnostic[];
  readonly errors: number;
  readonly warnings: number;
  /** Members that were looked at. */
  readonly members: readonly string[];
}

/**
 * Lists every problem of the chosen members: manifest, features, licence, chaos profiles, tests, files that go into the
 * package, path dependencies, lock. Never rejects for what it finds.
 */
export async function check(input: MemberChoice, context: EngineContext): Promise<CheckResult> {
  let project: Project;
  try {
    project = await loadProject(context);
  } catch (error) {
    if (!(error instanceof ManifestError) || error.diagnostics.length === 0) throw error;
    return summarise(await brokenProblems(error, context), []);
  }
  const members = chooseMembers(project, input);
  const found = await Promise.all(members.map((member) => checkMember(project, member, context)));
  const whole = await checkProject(project, context);
  return summarise([...found.flat(), ...whole], members);
}

/**
 * What can be said where a manifest is so broken that there is no project: the mistakes of every manifest that belongs to
 * it, and of the lock.
 */
async function brokenProblems(error: ManifestError, context: EngineContext): Promise<Diagnostic[]> {
  const { root, manifests } = await loadLooseProject(context);
  const found = manifests.flatMap(({ diagnostics }) => diagnostics);
  const files = new Set(found.map(({ location }) => location.file));
  // A path dependency's, which is no member.
  const others = error.diagnostics.filter(({ location }) => !files.has(location.file));
  return [...found, ...others, ...(await lockProblems(root, context))];
}

async function lockProblems(root: string, context: EngineContext): Promise<Diagnostic[]> {
  const file = path.join(root, context.profile.lockfile);
  const display = displayPath(file, context.cwd);
  try {
    const text = await readTextIfExists(file);
    if (text !== undefined) parseLockfile(text, display);
    return [];
  } catch (error) {
    if (!isLadingError(error)) throw error;
    return [asDiagnostic(error, display, "error")];
  }
}

function summarise(problems: readonly Diagnostic[], members: readonly Member[]): CheckResult {
  const errors = problems.filter(({ severity }) => severity === "error").length;
  return { problems, errors, warnings: problems.length - errors, members: members.map(({ name }) => name) };
}

async function checkMember(project: Project, member: Member, context: EngineContext): Promise<Diagnostic[]> {
  const { workspace } = project.rootFile.manifest;
  const { diagnostics } = readManifest(member.text, {
    file: member.display,
    dialect: member.dialect,
    ...(workspace && { workspace }),
  });
  const parts = await Promise.all([
    licenseProblems(member, diagnostics),
    readmeProblems(member),
    packageProblems(project, member, context),
  ]);
  return [...diagnostics, ...parts.flat(), ...testProblems(member)];
}

function problem(
  member: Member,
  severity: Diagnostic["severity"],
  code: string,
  key: string,
  message: string,
): Diagnostic {
  return { code, severity, message, key, location: placeOf(member, key) };
}

/** The line of a key, where it is on a line of its own. */
function placeOf(member: Member, key: string): Diagnostic["location"] {
  const last = key.split(".").at(-1)!;
  const lines = member.text.split(/\r?\n/);
  const index = lines.findIndex((line) =>
    new RegExp(`^\\s*["']?${last.replaceAll(/[^\w-]/g, "\\$&")}["']?\\s*[=:]`).test(line),
  );
  return { file: member.display, line: Math.max(0, index) + 1, column: 1 };
}

async function licenseProblems(member: Member, known: readonly Diagnostic[]): Promise<Diagnostic[]> {
  const { license, licenseFile } = member.manifest.package!;
  const problems: Diagnostic[] = [];
  if (license === undefined && licenseFile === undefined) {
    problems.push(
      problem(
        member,
        "warning",
        "CHECK_LICENSE_MISSING",
        "package.license",
        `Package "${member.name}" states no licence`,
      ),
    );
  } else if (license !== undefined && !known.some(({ key }) => key.endsWith("license"))) {
    const { valid, problem: reason } = validateLicense(license);
    if (!valid)
      problems.push(
        problem(
          member,
          "warning",
          "CHECK_LICENSE_INVALID",
          "package.license",
          `Licence "${license}" is no SPDX expression: ${reason ?? "unknown"}`,
        ),
      );
  }
  if (licenseFile !== undefined && !(await exists(path.join(member.directory, licenseFile)))) {
    problems.push(
      problem(
        member,
        "error",
        "CHECK_FILE_MISSING",
        "package.license-file",
        `Licence file "${licenseFile}" does not exist`,
      ),
    );
  }
  return problems;
}

async function readmeProblems(member: Member): Promise<Diagnostic[]> {
  const { readme, description } = member.manifest.package!;
  const problems: Diagnostic[] = [];
  if (readme !== undefined && !(await exists(path.join(member.directory, readme)))) {
    problems.push(
      problem(member, "error", "CHECK_FILE_MISSING", "package.readme", `Readme "${readme}" does not exist`),
    );
  }
  if (description === undefined) {
    problems.push(
      problem(
        member,
        "warning",
        "CHECK_DESCRIPTION_MISSING",
        "package.description",
        `Package "${member.name}" has no description, so searches find it by its name alone`,
      ),
    );
  }
  return problems;
}

/** Why its tests could not be run; where they decide on an installation, nobody could install it. */
function testProblems(member: Member): Diagnostic[] {
  const testing = tableOf(member.manifest, "testing");
  try {
    if (testing !== undefined) readTestConfig(testing, member.display);
    return [];
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    const { key = "testing" } = error.details;
    return [problem(member, "error", error.code, String(key), error.message)];
  }
}

/** What packing and publishing would refuse. */
async function packageProblems(project: Project, member: Member, context: EngineContext): Promise<Diagnostic[]> {
  const { executables, publish } = member.manifest.package!;
  const problems: Diagnostic[] = [];
  try {
    const files = await collectMember({ project, member }, context);
    const paths = new Set(files.map((file) => file.path));
    const missing = executables.filter((file) => !paths.has(file));
    problems.push(
      ...missing.map((file) =>
        problem(
          member,
          "error",
          "CHECK_FILE_MISSING",
          "package.executables",
          `Executable "${file}" is not among the files of the package`,
        ),
      ),
    );
  } catch (error) {
    problems.push(fromError(member, error, "error"));
  }
  if (publish === false) return problems;
  try {
    const { registries } = await readRegistries(context);
    recordOf(member.manifest, {
      registryUrls: new Map(registries.map((registry) => [registry.name, registry.url])),
      manifestFile: path.basename(member.path),
      kind: context.profile.package.defaultKind,
      target: "any",
      versionOf: (name) => project.members.find((other) => other.name === name)?.manifest.package?.version,
    });
  } catch (error) {
    if (error instanceof ManifestError && error.diagnostics.length > 0) problems.push(...error.diagnostics.map(milder));
    else problems.push(fromError(member, error, "error"));
  }
  return problems;
}

/** A directory or repository that is depended on is nothing wrong with a package that nobody publishes. */
function milder(one: Diagnostic): Diagnostic {
  return one.code === "MANIFEST_DEPENDENCY_UNPUBLISHABLE" ? { ...one, severity: "warning" } : one;
}

async function checkProject(project: Project, context: EngineContext): Promise<Diagnostic[]> {
  const [member] = project.members;
  if (member === undefined) return [];
  const problems: Diagnostic[] = [];
  try {
    const lock = await readLock(context, project);
    const offline = { ...context, offline: true };
    await collectLocalPackages(offline, { project, lock: lock?.lock, refresh: new Set() });
    if (lock !== undefined && !satisfiesMembers(lock.lock, project)) {
      problems.push(
        problem(
          member,
          "warning",
          "CHECK_LOCK_OUTDATED",
          "dependencies",
          "The lock file does not answer every requirement; run lock",
        ),
      );
    }
  } catch (error) {
    problems.push(notFetched(fromError(member, error, "error")));
  }
  return problems;
}

/** Nothing is fetched to check a package; that a repository was never fetched is no mistake of it. */
function notFetched(found: Diagnostic): Diagnostic {
  if (found.code !== "GIT_FAILED") return found;
  return { ...found, severity: "warning", hint: "Run install, which fetches it; what depends on it was not looked at" };
}

function fromError(member: Member, thrown: unknown, severity: Diagnostic["severity"]): Diagnostic {
  if (!isLadingError(thrown)) throw thrown;
  return asDiagnostic(thrown, member.display, severity);
}

function asDiagnostic(error: LadingError, file: string, severity: Diagnostic["severity"]): Diagnostic {
  return {
    code: error.code,
    severity,
    message: error.message,
    key: "",
    location: error.location ?? { file, line: 1, column: 1 },
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  };
}
