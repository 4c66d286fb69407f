import { chmod } from "node:fs/promises";
import path from "node:path";
import type { EngineContext } from "../engine-context.ts";
import { EngineError } from "../engine-error.ts";
import { displayPath, exists, writeFileAtomic } from "../files.ts";
import { githubFiles } from "../ci/github.ts";
import { gitlabFiles } from "../ci/gitlab.ts";
import { jenkinsFiles } from "../ci/jenkins.ts";
import { scriptFiles } from "../ci/script.ts";
import { ciWords, type CiWords } from "../ci/words.ts";
import type { CiFile } from "../ci/files.ts";
import { manifestIn } from "../project.ts";

/** Services that templates are written for; `script` is for a person at a terminal. */
export type CiProvider = "github" | "gitlab" | "jenkins" | "script";

/** Which templates are written. */
export interface CiInitInput {
  readonly provider: CiProvider;
  /** Directory of the repository. Default: the working directory. */
  readonly output?: string | undefined;
  /** How versions are published. Default: what the ecosystem does. */
  readonly publishTo?: "registry" | "index" | undefined;
  /** Replace files that are there. */
  readonly force?: boolean | undefined;
  readonly dryRun?: boolean | undefined;
}

/** A template that was written, or with `dryRun` would be. */
export interface WrittenTemplate {
  readonly file: string;
  readonly purpose: string;
  readonly written: boolean;
}

const FILES: Readonly<Record<CiProvider, (words: CiWords) => CiFile[]>> = {
  github: githubFiles,
  gitlab: gitlabFiles,
  jenkins: jenkinsFiles,
  script: scriptFiles,
};

/**
 * Writes pipelines in the ecosystem's own words: test, publish when a version is tagged, repositories of several packages,
 * upkeep of a static registry. All of them or none.
 * @throws {EngineError} `CI_FILE_EXISTS`, `CI_COMMAND_MISSING`
 */
export async function ciInit(input: CiInitInput, context: EngineContext): Promise<readonly WrittenTemplate[]> {
  const root = path.resolve(context.cwd, input.output ?? ".");
  const there = await manifestIn(context, root);
  const words = ciWords(context.profile, {
    ...(input.publishTo === undefined ? {} : { index: input.publishTo === "index" }),
    ...(there === undefined ? {} : { manifest: path.basename(there.path) }),
  });
  refuseMissing(words, words.index ? ["index-update", "index-validate"] : ["publish"]);
  const files = FILES[input.provider](words).map((file) => ({ ...file, target: path.join(root, file.path) }));
  for (const { target } of files) if (input.force !== true) await refuseExisting(target, context);
  for (const { target, text, executable } of input.dryRun === true ? [] : files) {
    await writeFileAtomic(target, text);
    if (executable === true) await chmod(target, 0o755);
  }
  return files.map(({ target, purpose }) => ({
    file: displayPath(target, context.cwd),
    purpose,
    written: input.dryRun !== true,
  }));
}

function refuseMissing(words: CiWords, needed: readonly string[]): void {
  const missing = needed.find((id) => words.command(id) === undefined);
  if (missing === undefined) return;
  throw new EngineError({
    code: "CI_COMMAND_MISSING",
    message: `Cannot write templates: no program of "${words.profile.id}" has the command "${missing}"`,
    hint: "Publish the other way with --publish-to registry or --publish-to index",
  });
}

async function refuseExisting(target: string, context: EngineContext): Promise<void> {
  if (!(await exists(target))) return;
  throw new EngineError({
    code: "CI_FILE_EXISTS",
    message: `Cannot write "${displayPath(target, context.cwd)}": it exists`,
    hint: "Give --force to replace it",
  });
}
