import type { EcosystemProfile } from "@lading/core-manifest";

/** Commands that the jobs of one pipeline run between them. */
export const PIPELINE_COMMANDS: readonly string[] = [
  "publish",
  "pack",
  "check",
  "checksum",
  "test",
  "index-update",
  "index-merge",
  "index-validate",
];

/** How an ecosystem's templates speak: its program, commands, files and variables. */
export interface CiWords {
  readonly profile: EcosystemProfile;
  /** Program that is downloaded. */
  readonly bin: string;
  /** The line that runs a command, or `undefined` where the ecosystem's programs do not offer it. */
  readonly command: (id: string) => string | undefined;
  /** Name of the manifest. */
  readonly manifest: string;
  readonly outputDirectory: string;
  /** Variable of the registry's token. */
  readonly token: string;
  /** Prefix of the ecosystem's own variables. */
  readonly prefix: string;
  /** Whether versions are listed in the index of a repository rather than sent to a registry. */
  readonly index: boolean;
}

/** What is not as the profile says. */
export interface CiWordsInput {
  /** Whether versions are listed in an index. Default: what the ecosystem does. */
  readonly index?: boolean | undefined;
  /** Name of the manifest that the repository has. Default: the one that the ecosystem prefers. */
  readonly manifest?: string | undefined;
}

/** The words of a profile for one repository. */
export function ciWords(profile: EcosystemProfile, { index, manifest }: CiWordsInput = {}): CiWords {
  const command = (id: string): string | undefined => lineOf(profile, id);
  return {
    profile,
    bin: (command("publish") ?? profile.bins[0]!.name).split(" ", 1)[0]!,
    command,
    manifest: manifest ?? profile.manifest.files[0]!.name,
    outputDirectory: profile.package.outputDirectory,
    token: profile.tokenVariables[0] ?? `${profile.environmentPrefix}_TOKEN`,
    prefix: profile.environmentPrefix,
    index: index ?? profile.directoryChecksum === "attune-pack",
  };
}

/** A command as it is typed: the ecosystem's own spelling of it where it has one, else its plain name. */
function lineOf({ bins }: EcosystemProfile, id: string): string | undefined {
  for (const { name, commands } of bins) {
    const spelled = commands.find(({ command }) => command === id);
    if (spelled !== undefined) return `${name} ${spelled.spelling}`;
  }
  const inheriting = bins.find(({ inherit }) => inherit);
  return inheriting && `${inheriting.name} ${id}`;
}

/** Programs that the commands of these lines need. */
export function programsOf(words: CiWords, ids: readonly string[]): readonly string[] {
  const lines = ids.map((id) => words.command(id)).filter((line) => line !== undefined);
  return [...new Set(lines.map((line) => line.split(" ", 1)[0]!))];
}

/** Lines of a shell script, without those that the ecosystem has no command for. */
export function lines(...parts: readonly (string | undefined | readonly (string | undefined)[])[]): string[] {
  return parts.flat().filter((line): line is string => line !== undefined);
}

/** Lines indented by so many spaces, empty ones left empty. */
export function indented(text: readonly string[], spaces: number): string {
  return text.map((line) => (line === "" ? "" : `${" ".repeat(spaces)}${line}`)).join("\n");
}
