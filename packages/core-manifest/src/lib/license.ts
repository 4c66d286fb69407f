import parseSpdx from "spdx-expression-parse";

/** Longest licence expression that is looked at, in characters. */
export const LICENSE_MAX_LENGTH = 1024;

/** Whether a licence expression is valid SPDX, and if not, why. */
export interface LicenseValidity {
  readonly valid: boolean;
  readonly problem?: string;
}

type Expression = ReturnType<typeof parseSpdx>;
type License = Extract<Expression, { license: string }>;

function read(expression: string): Expression | { readonly problem: string } {
  if (expression.trim() === "") return { problem: "it is empty" };
  if (expression.length > LICENSE_MAX_LENGTH) {
    return { problem: `it has ${expression.length} characters, allowed are ${LICENSE_MAX_LENGTH}` };
  }
  try {
    return parseSpdx(expression);
  } catch (error) {
    return { problem: explain(expression, error instanceof Error ? error.message : "") };
  }
}

/** Common spellings that are no SPDX, and what their authors mean. */
const MEANT: Readonly<Record<string, string>> = {
  "apache 2.0": "Apache-2.0",
  "apache-2": "Apache-2.0",
  apache2: "Apache-2.0",
  apache: "Apache-2.0",
  bsd: "BSD-3-Clause",
  gpl: "GPL-3.0-only",
  gplv2: "GPL-2.0-only",
  gplv3: "GPL-3.0-only",
  lgpl: "LGPL-3.0-only",
  "mit license": "MIT",
  mit: "MIT",
  mpl: "MPL-2.0",
  unlicensed: "LicenseRef-Proprietary",
  proprietary: "LicenseRef-Proprietary",
};

function explain(expression: string, message: string): string {
  const meant = MEANT[expression.trim().toLowerCase()];
  if (meant !== undefined) return `"${expression}" is no SPDX identifier; did you mean "${meant}"?`;
  const slash = expression.includes("/") ? `; alternatives are joined by " OR "` : "";
  return `${message === "" ? "it ends too early" : message.replace(/^./, (first) => first.toLowerCase())}${slash}`;
}

/**
 * Whether `expression` is an SPDX licence expression (SPDX 2.3 annex D) of known licences and exceptions,
 * deprecated identifiers included; with what is wrong where it is none. Never throws.
 */
export function validateLicense(expression: string): LicenseValidity {
  const result = read(expression);
  return "problem" in result ? { valid: false, problem: result.problem } : { valid: true };
}

/**
 * Whether somebody may take a package under `expression` when only the licences in `allowed` are acceptable:
 * of `A OR B` one side suffices, of `A AND B` both are needed. `X+` and `X-or-later` are allowed by their own
 * name or by that of `X`, since the taker chooses the version, but an allowed `X-or-later` does not cover `X-only`;
 * a `WITH` exception only adds rights, so that the bare licence allows it too. Case does not matter.
 * An expression that is not valid satisfies no policy.
 */
export function satisfiesLicensePolicy(expression: string, allowed: readonly string[]): boolean {
  const result = read(expression);
  return !("problem" in result) && satisfies(result, new Set(allowed.map((license) => license.toLowerCase())));
}

function satisfies(expression: Expression, allowed: ReadonlySet<string>): boolean {
  if (!("conjunction" in expression)) return spellings(expression).some((text) => allowed.has(text.toLowerCase()));
  const left = satisfies(expression.left, allowed);
  return expression.conjunction === "or"
    ? left || satisfies(expression.right, allowed)
    : left && satisfies(expression.right, allowed);
}

/** Every text under which a policy may name the licence. */
function spellings(node: License): string[] {
  const names = [node.license];
  if (node.plus === true) names.push(`${node.license}+`, `${node.license}-or-later`);
  const laterOf = /^(.+)-or-later$/.exec(node.license)?.[1];
  if (laterOf !== undefined) names.push(laterOf, `${laterOf}+`, `${laterOf}-only`);
  const onlyOf = /^(.+)-only$/.exec(node.license)?.[1];
  if (onlyOf !== undefined) names.push(onlyOf);
  if (/^(?:A|L)?GPL-\d\.\d$/.test(node.license)) names.push(`${node.license}-only`);
  return node.exception === undefined ? names : [...names, ...names.map((name) => `${name} WITH ${node.exception}`)];
}
