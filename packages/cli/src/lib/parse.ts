import {
  ArgumentParseError,
  ArgumentScannerError,
  AliasNotFoundError,
  EnumValidationError,
  FlagNotFoundError,
  InvalidNegatedFlagSyntaxError,
  UnexpectedFlagError,
  UnexpectedPositionalError,
  UnsatisfiedFlagError,
  UnsatisfiedPositionalError,
  buildApplication,
  buildCommand,
  numberParser,
  run,
  text_en,
} from "@stricli/core";
import { CliError } from "./cli-error.ts";
import { editDistance } from "./edit-distance.ts";
import type { ParsedLine } from "./parse-plain.ts";
import type { ArgumentSpec, CommandSpec, FlagSpec, FlagSpecs } from "./spec.ts";

/**
 * Parses the arguments of one command.
 * @throws {CliError} `CLI_FLAG_UNKNOWN`, `CLI_FLAG_INVALID`, `CLI_ARGUMENT_MISSING`, `CLI_ARGUMENT_UNEXPECTED`
 */
export async function parseArguments(
  command: CommandSpec,
  specs: FlagSpecs,
  argv: readonly string[],
): Promise<ParsedLine> {
  const captured: { parsed?: ParsedLine; problem?: unknown } = {};
  const application = buildApplication(
    buildCommand({
      docs: { brief: command.summary },
      parameters: {
        flags: Object.fromEntries(Object.entries(specs).map(([name, spec]) => [name, flagParameter(spec)])),
        aliases: aliasesOf(specs),
        positional: positionalParameters(command.arguments ?? []),
      } as never,
      func: (flags: Record<string, unknown>, ...args: (string | undefined)[]) => {
        captured.parsed = {
          flags,
          args: args.filter((argument) => argument !== undefined),
        };
      },
    }),
    {
      name: "command",
      scanner: { caseStyle: "original", allowArgumentEscapeSequence: true },
      localization: {
        loadText: () => ({
          ...text_en,
          exceptionWhileParsingArguments(problem: unknown) {
            captured.problem = problem;
            return "";
          },
        }),
      },
    },
    {},
  );
  const silent = { write() {} };
  await run(application, argv, { process: { stdout: silent, stderr: silent, env: {} } });
  if (captured.parsed === undefined) throw usageError(captured.problem, specs, { command, argv });
  return captured.parsed;
}

function flagParameter(spec: FlagSpec): object {
  const common = { brief: spec.summary, optional: true };
  if (spec.type === "boolean") return { kind: "boolean", ...common, withNegated: false };
  if (spec.type === "enum") return { kind: "enum", ...common, values: spec.values };
  if (spec.type === "number") return { kind: "parsed", ...common, parse: numberParser };
  if (spec.type === "list") return { kind: "parsed", ...common, parse: String, variadic: "," };
  return { kind: "parsed", ...common, parse: String };
}

function aliasesOf(specs: FlagSpecs): Record<string, string> {
  return Object.fromEntries(
    Object.entries(specs).flatMap(([name, spec]) => (spec.alias === undefined ? [] : [[spec.alias, name]])),
  );
}

function positionalParameters(specs: readonly ArgumentSpec[]): object {
  const many = specs.at(-1);
  if (many?.many === true && specs.length === 1) {
    return {
      kind: "array",
      parameter: { brief: many.summary, parse: String, placeholder: many.name },
      minimum: many.optional === true ? 0 : 1,
    };
  }
  return {
    kind: "tuple",
    parameters: specs.map((spec) => ({
      brief: spec.summary,
      parse: String,
      placeholder: spec.name,
      optional: spec.optional ?? false,
    })),
  };
}

interface Tried {
  readonly command: CommandSpec;
  readonly argv: readonly string[];
}

/** What was likely meant where the two names of one argument came as two words. */
function joinedPair({ command, argv }: Tried): { readonly hint?: string } {
  const [first = "", second = ""] = argv;
  const separate = command.arguments?.[0]?.pair === true && [first, second].every((word) => /^[\w.-]+$/.test(word));
  return separate && !second.startsWith("-") ? { hint: `Did you mean "${first}/${second}"?` } : {};
}

function usageError(problem: unknown, specs: FlagSpecs, tried: Tried): unknown {
  const { command } = tried;
  if (!(problem instanceof ArgumentScannerError)) return problem;
  if (problem instanceof FlagNotFoundError || problem instanceof AliasNotFoundError) return unknownFlag(problem, specs);
  if (problem instanceof UnsatisfiedPositionalError) {
    return new CliError({
      code: "CLI_ARGUMENT_MISSING",
      message: `Cannot run the command: argument ${problem.placeholder.toUpperCase()} is missing`,
      argument: problem.placeholder,
    });
  }
  if (problem instanceof UnexpectedPositionalError) {
    return new CliError({
      code: "CLI_ARGUMENT_UNEXPECTED",
      message: `Cannot use argument "${problem.input}": the command takes ${problem.expectedCount === 0 ? "no arguments" : `at most ${problem.expectedCount}`}`,
      ...joinedPair(tried),
      argument: problem.input,
      ...(command.arguments === undefined ? {} : { allowed: command.arguments.map(({ name }) => name) }),
    });
  }
  return new CliError({ code: "CLI_FLAG_INVALID", message: invalidFlagMessage(problem) });
}

function unknownFlag(problem: FlagNotFoundError | AliasNotFoundError, specs: FlagSpecs): CliError {
  const long = problem instanceof FlagNotFoundError;
  const input = long ? `--${problem.input.replace(/^--/, "")}` : `-${problem.input}`;
  const suggestion = long ? closestFlag(problem.input, specs) : undefined;
  return new CliError({
    code: "CLI_FLAG_UNKNOWN",
    message: `Cannot use flag "${input}": the command has none of that name`,
    ...(suggestion === undefined ? {} : { hint: `Did you mean "--${suggestion}"?` }),
    flag: input,
  });
}

function closestFlag(input: string, specs: FlagSpecs): string | undefined {
  const name = input.replace(/^--/, "");
  const ranked = Object.keys(specs)
    .map((candidate) => ({ candidate, distance: editDistance(name, candidate) }))
    .toSorted((left, right) => left.distance - right.distance);
  const best = ranked[0];
  return best !== undefined && best.distance <= Math.max(1, Math.floor(name.length / 3)) ? best.candidate : undefined;
}

function invalidFlagMessage(problem: ArgumentScannerError): string {
  if (problem instanceof EnumValidationError) {
    return `Cannot use "${problem.input}" for --${problem.externalFlagName}: allowed are ${problem.values.map((value) => `"${value}"`).join(", ")}`;
  }
  if (problem instanceof UnsatisfiedFlagError) return `Cannot use --${problem.externalFlagName}: its value is missing`;
  if (problem instanceof UnexpectedFlagError) {
    return `Cannot use "${problem.input}" for --${problem.externalFlagName}: it was given "${problem.previousInput}" before, and takes one value`;
  }
  if (problem instanceof InvalidNegatedFlagSyntaxError) {
    return `Cannot use --${problem.externalFlagName} with the value "${problem.valueText}": it takes none`;
  }
  if (problem instanceof ArgumentParseError) {
    const reason = problem.exception instanceof Error ? problem.exception.message : String(problem.exception);
    return `Cannot use "${problem.input}" for --${problem.externalFlagNameOrPlaceholder}: ${reason}`;
  }
  return problem.message;
}
