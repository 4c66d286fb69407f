import type { ApiObject, ManagementCall, ManagementInputs } from "@lading/registry-client";
import { CliError } from "../cli-error.ts";
import { printable, table } from "../render/table.ts";
import type { Style } from "../render/style.ts";
import { defineCommand, type ArgumentSpec, type CommandSpec, type FlagSpecs, type FlagValues } from "../spec.ts";

/** A request to the registry: which call, with what. */
export type Request = { readonly [Name in ManagementCall]: readonly [Name, ManagementInputs[Name]] }[ManagementCall];

/** A command that is one request to the registry. */
export function managed<const Flags extends FlagSpecs>(spec: {
  readonly summary: string;
  readonly description?: string;
  readonly examples: readonly string[];
  readonly arguments?: readonly ArgumentSpec[];
  readonly flags: Flags;
  readonly request: (args: readonly string[], flags: FlagValues<Flags>) => Request;
  /** The answer as lines for people. */
  readonly text: (answer: ApiObject, style: Style, args: readonly string[]) => readonly string[];
  /** Whether the answer tells of a failure: the command then ends with 1. */
  readonly failed?: (answer: ApiObject) => boolean;
}): CommandSpec {
  const { request, text, failed, ...rest } = spec;
  return defineCommand({
    ...rest,
    async run({ args, flags, context }) {
      const [call, input] = request(args, flags);
      const { manage } = await import("@lading/engine/registry");
      const answer = await manage(call, input as never, await context());
      const rows = itemsOf(answer);
      const lines = (style: Style): readonly string[] => text(answer, style, args);
      const exitCode = failed?.(answer) === true ? 1 : 0;
      return rows === undefined ? { data: answer, text: lines, exitCode } : { data: rows, rows, text: lines, exitCode };
    },
  });
}

/** The items of a list, `undefined` where the answer is none. */
export function itemsOf(answer: ApiObject): readonly ApiObject[] | undefined {
  return Array.isArray(answer["items"]) ? (answer["items"] as ApiObject[]) : undefined;
}

/** A field of an answer as a cell. */
export function cell(row: ApiObject, name: string): string {
  const value = row[name];
  return typeof value === "string" ? value : value === undefined || value === null ? "-" : JSON.stringify(value);
}

/** A list as a table: headings in capitals are the names of the fields. */
export function listing(answer: ApiObject, style: Style, fields: readonly string[], empty: string): readonly string[] {
  const rows = itemsOf(answer) ?? [];
  if (rows.length === 0) return [empty];
  const heading = fields.map((name) => name.toUpperCase().replaceAll("_", " "));
  return table(
    style,
    heading,
    rows.map((row) => fields.map((name) => cell(row, name))),
  );
}

/** The two names of `organisation/team`. */
export function teamName(text: string): { readonly organisation: string; readonly team: string } {
  const [organisation, team, ...rest] = text.split("/");
  if (organisation && team && rest.length === 0) return { organisation, team };
  throw new CliError({
    code: "CLI_ARGUMENT_UNEXPECTED",
    message: `Cannot use ${JSON.stringify(printable(text).slice(0, 140))} as a team: it is not of the form ORGANISATION/TEAM`,
    hint: "Write both in one word, such as acme/devs",
  });
}

export const ORGANISATION: ArgumentSpec = { name: "ORGANISATION", summary: "Name of the organisation" };
export const TEAM: ArgumentSpec = { name: "TEAM", summary: "The team, as ORGANISATION/TEAM", pair: true };
export const USER: ArgumentSpec = { name: "USER", summary: "User name" };
