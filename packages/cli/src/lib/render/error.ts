import { isLadingError, type Diagnostic, type LadingError, type SourceLocation } from "@lading/core-manifest";
import { CliError } from "../cli-error.ts";
import { printable } from "./table.ts";
import type { Style } from "./style.ts";

/** Reads a file whose lines are shown below an error; `undefined` where it cannot be read. */
export type ReadSource = (file: string) => string | undefined;

/** Any thrown value as one of ours; what we did not foresee becomes `CLI_INTERNAL`. */
export function toLadingError(thrown: unknown, signal?: AbortSignal): LadingError {
  if (isLadingError(thrown)) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  if (signal?.aborted === true && thrown === signal.reason)
    return new CliError({ code: "CLI_INTERRUPTED", message: `Cannot finish: ${message}`, cause: thrown });
  return new CliError({ code: "CLI_INTERNAL", message: `Cannot go on: ${message}`, cause: thrown });
}

/** Diagnostics that an error carries, such as all the mistakes of a manifest. */
export function diagnosticsOf(error: LadingError): readonly Diagnostic[] {
  const own: unknown = (error as { diagnostics?: unknown }).diagnostics ?? error.details["diagnostics"];
  return Array.isArray(own) ? (own as Diagnostic[]) : [];
}

/** An error for people: code, cause, place with source line and carets, chain of causes, next step. */
export function renderError(
  error: LadingError,
  options: {
    readonly style: Style;
    readonly readSource: ReadSource;
    readonly verbose: boolean;
    readonly help?: string;
    /** Writes commands in hints as they are typed here. */
    readonly advise?: (hint: string) => string;
  },
): string[] {
  const { style, readSource, advise = (hint: string) => hint } = options;
  const diagnostics = diagnosticsOf(error);
  const hint = error.hint ?? options.help;
  // A manifest's error repeats its first mistake, which is shown below with its place.
  const repeated = diagnostics[0] !== undefined && error.message.startsWith(diagnostics[0].message);
  return [
    ...(repeated ? [] : [headline(error.code, error.message, "error", style)]),
    ...(diagnostics.length === 0 && error.location !== undefined ? excerpt(error.location, style, readSource) : []),
    ...renderDiagnostics(diagnostics.map(advised(advise)), style, readSource),
    ...explanationLines(error),
    ...causeLines(error, style),
    ...(diagnostics.length > 1 ? [""] : []),
    ...helpLines(saidBelow(error.hint, diagnostics) ? undefined : hint === undefined ? undefined : advise(hint), style),
    ...(options.verbose && error.stack !== undefined ? ["", ...error.stack.split("\n").map(style.dim)] : []),
  ];
}

/** A diagnostic whose hint is written as it is typed here. */
export function advised(advise: (hint: string) => string): (diagnostic: Diagnostic) => Diagnostic {
  return (diagnostic) =>
    diagnostic.hint === undefined ? diagnostic : { ...diagnostic, hint: advise(diagnostic.hint) };
}

/** Several mistakes with a line between them. */
export function renderDiagnostics(diagnostics: readonly Diagnostic[], style: Style, readSource: ReadSource): string[] {
  return diagnostics.flatMap((diagnostic, index) => [
    ...(index === 0 ? [] : [""]),
    ...renderDiagnostic(diagnostic, style, readSource),
  ]);
}

function saidBelow(hint: string | undefined, diagnostics: readonly Diagnostic[]): boolean {
  return hint !== undefined && diagnostics.some((diagnostic) => diagnostic.hint === hint);
}

/** One mistake with its place and what is allowed; what was found is in the line that is shown. */
export function renderDiagnostic(diagnostic: Diagnostic, style: Style, readSource: ReadSource): string[] {
  const { found, allowed } = diagnostic;
  // The message is whole by itself, for logs; here its end would be read twice.
  const end = `${found === undefined ? "" : `, found ${found}`}${allowed === undefined ? "" : `, allowed is ${allowed}`}`;
  const message = diagnostic.message.endsWith(end)
    ? diagnostic.message.slice(0, diagnostic.message.length - end.length)
    : diagnostic.message;
  const place = excerpt(diagnostic.location, style, readSource);
  const facts = [
    found === undefined || place.length > 1 ? undefined : `found: ${printable(found)}`,
    allowed === undefined ? undefined : `allowed: ${printable(allowed)}`,
  ].filter((fact) => fact !== undefined);
  return [
    headline(diagnostic.code, message, diagnostic.severity, style),
    ...place,
    ...facts.map((fact) => style.dim(`  = ${fact}`)),
    ...helpLines(diagnostic.hint, style, "  "),
  ];
}

function headline(code: string, message: string, severity: "error" | "warning", style: Style): string {
  const mark = severity === "error" ? style.red : style.yellow;
  return `${style.bold(mark(`${severity}[${code}]`))}: ${multiline(message)}`;
}

function excerpt(location: SourceLocation, style: Style, readSource: ReadSource): string[] {
  const place = style.cyan("  --> ") + `${location.file}:${location.line}:${location.column}`;
  const source = readSource(location.file)?.split(/\r?\n/)[location.line - 1];
  if (source === undefined) return [place];
  const gutter = String(location.line).length;
  const blank = `${" ".repeat(gutter)} |`;
  return [
    place,
    style.dim(` ${blank}`),
    ` ${location.line} | ${clip(source)}`,
    ` ${blank} ${carets(source, location, style)}`,
  ];
}

function clip(line: string): string {
  const text = line.replaceAll("\t", " ");
  return printable(text.length > 160 ? `${text.slice(0, 157)}...` : text);
}

function carets(source: string, location: SourceLocation, style: Style): string {
  const start = Math.min(location.column - 1, 157);
  const sameLine = location.endLine === undefined || location.endLine === location.line;
  const end = sameLine && location.endColumn !== undefined ? location.endColumn - 1 : source.length;
  const width = Math.max(1, Math.min(end, 157) - start);
  return " ".repeat(start) + style.red("^".repeat(location.endColumn === undefined && sameLine ? 1 : width));
}

/** A resolver's explanation of a conflict is several lines that belong below the headline. */
function explanationLines(error: LadingError): string[] {
  const explanation = error.details["explanation"];
  return typeof explanation === "string" ? explanation.split("\n").map((line) => `  ${printable(line)}`) : [];
}

function causeLines(error: LadingError, style: Style): string[] {
  const causes = error.toJSON().causes ?? [];
  return causes
    .filter((cause) => !error.message.includes(cause))
    .map((cause) => `  ${style.dim("caused by:")} ${multiline(cause)}`);
}

function helpLines(hint: string | undefined, style: Style, indent = ""): string[] {
  return hint === undefined ? [] : [`${indent}${style.bold(style.cyan("help"))}: ${multiline(hint)}`];
}

function multiline(text: string): string {
  return text.split("\n").map(printable).join("\n");
}
