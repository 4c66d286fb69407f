import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tryParseDigest } from "@lading/core-manifest";
import { currentNumber, generationDirectory, generationsDirectory } from "./environment.ts";
import type { Environment, Generation, InstallLayout, InstallRecord } from "./install-types.ts";
import { InstallerError } from "./installer-error.ts";

/** Directory inside a generation that holds its record; no package can have this name. */
export const RECORD_DIRECTORY = ".lading";
const RECORD_FILE = "generation.json";
const FORMAT = 1;

/** Numbers of the complete generations, ascending. */
export function generationNumbers(environment: Environment): number[] {
  return readNames(generationsDirectory(environment))
    .filter((name) => /^[1-9]\d{0,8}$/.test(name))
    .map(Number)
    .sort((left, right) => left - right);
}

export function readNames(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/** Writes the record of a generation into its directory. */
export function writeRecord(directory: string, generation: Omit<Generation, "directory" | "current">): void {
  const text = `${JSON.stringify({ format: FORMAT, ...generation }, undefined, 1)}\n`;
  writeFileSync(join(directory, RECORD_DIRECTORY, RECORD_FILE), text, { flag: "wx" });
}

/**
 * Reads the record of a generation.
 * @throws {InstallerError} `INSTALL_NO_GENERATION`, `INSTALL_GENERATION_DAMAGED`
 */
export function readGeneration(environment: Environment, number: number): Generation {
  const directory = generationDirectory(environment, number);
  const damaged = (problem: string, cause?: unknown): InstallerError =>
    new InstallerError({
      code: "INSTALL_GENERATION_DAMAGED",
      message: `Cannot read generation ${number} of "${environment.link}": ${problem}`,
      hint: "Run install to make a new generation",
      generation: number,
      cause,
    });
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(join(directory, RECORD_DIRECTORY, RECORD_FILE), "utf8"));
  } catch (error) {
    if (!generationNumbers(environment).includes(number)) throw noGeneration(environment, number);
    throw damaged(error instanceof Error ? error.message : String(error), error);
  }
  const problem = recordProblem(value, number);
  if (problem !== undefined) throw damaged(problem);
  const { format: _, ...record } = value as { format: number } & Omit<Generation, "directory" | "current">;
  return { ...record, directory, current: currentNumber(environment) === number };
}

export function nothingInstalled(environment: Environment): InstallerError {
  return new InstallerError({
    code: "INSTALL_NO_GENERATION",
    message: `Cannot verify "${environment.link}": nothing is installed there`,
    hint: 'Run "install" first',
  });
}

export function noGeneration(environment: Environment, number: number | undefined): InstallerError {
  const numbers = generationNumbers(environment);
  const wanted = number === undefined ? "an earlier generation" : `generation ${number}`;
  const found = ["is none", `is only ${numbers[0]}`][numbers.length] ?? `are ${numbers.join(", ")}`;
  return new InstallerError({
    code: "INSTALL_NO_GENERATION",
    message: `Cannot find ${wanted} of "${environment.link}": there ${found}`,
    hint: 'Run "history" to see what can be rolled back to',
    generation: number,
  });
}

// A record is trusted for paths that are later read and compared, so each field is looked at.
function recordProblem(value: unknown, number: number): string | undefined {
  if (typeof value !== "object" || value === null) return "its record is not an object";
  const record = value as Partial<Record<keyof Generation | "format", unknown>>;
  if (record.format !== FORMAT)
    return `its record has format ${JSON.stringify(record.format) ?? "none"}, this release knows ${FORMAT}`;
  if (record.number !== number) return `its record is of generation ${JSON.stringify(record.number) ?? "none"}`;
  if (typeof record.created !== "string" || typeof record.reason !== "string") return "its record lacks time or reason";
  if (!["copied", "linked"].includes(record.layout as InstallLayout)) return "its record has an unknown layout";
  if (!Array.isArray(record.packages)) return "its record has no packages";
  const bad = (record.packages as unknown[]).findIndex((item) => !isRecord(item));
  return bad === -1 ? undefined : `package ${bad + 1} of its record is malformed`;
}

function isRecord(value: unknown): value is InstallRecord {
  const item = value as Partial<InstallRecord> | null;
  return (
    typeof item?.name === "string" &&
    typeof item.version === "string" &&
    typeof item.path === "string" &&
    typeof item.source?.type === "string" &&
    (item.tree === undefined || tryParseDigest(item.tree) !== undefined) &&
    (item.checksum === undefined || tryParseDigest(item.checksum) !== undefined) &&
    Array.isArray(item.features) &&
    Array.isArray(item.signers) &&
    typeof item.dependencies === "object" &&
    item.dependencies !== null
  );
}
