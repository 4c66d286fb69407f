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
 * name or by that of `X`, since the taker chooses the version; an allowed `X+` or `X-or-later` covers `X` and every later
 * version of the same licence, `GPL-2.0+` thus `GPL-3.0-only`; a `WITH` exception only adds rights, so that the bare licence allows it too. Case does not matter.
 * An expression that is not valid satisfies no policy.
 */
export function satisfiesLicensePolicy(expression: string, allowed: readonly string[]): boolean {
  const result = read(expression);
  if ("problem" in result) return false;
  const names = new Set(allowed.map((license) => license.toLowerCase()));
  return satisfies(result, { names, families: [...names].flatMap(openFamily) });
}

/** What a policy allows: names, and families of licences from a version on. */
interface Allowed {
  readonly names: ReadonlySet<string>;
  readonly families: readonly LicenseFamily[];
}

/** `gpl-2.0-only` is version 2.0 of family `gpl`. */
interface LicenseFamily {
  readonly name: string;
  readonly version: readonly number[];
}

function familyOf(license: string): LicenseFamily | undefined {
  const parts = /^(.+)-(\d+(?:\.\d+)*)(?:-only|-or-later|\+)?$/.exec(license.toLowerCase());
  return parts === null ? undefined : { name: parts[1]!, version: parts[2]!.split(".").map(Number) };
}

function openFamily(allowed: string): LicenseFamily[] {
  const family = /(?:\+|-or-later)$/.test(allowed) ? familyOf(allowed) : undefined;
  return family === undefined ? [] : [family];
}

function covers(open: LicenseFamily, license: LicenseFamily): boolean {
  if (open.name !== license.name) return false;
  for (let part = 0; part < Math.max(open.version.length, license.version.length); part++) {
    const difference = (license.version[part] ?? 0) - (open.version[part] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}

function isAllowed(license: License, allowed: Allowed): boolean {
  if (spellings(license).some((text) => allowed.names.has(text.toLowerCase()))) return true;
  const family = familyOf(license.license);
  return family !== undefined && allowed.families.some((open) => covers(open, family));
}

function satisfies(expression: Expression, allowed: Allowed): boolean {
  if (!("conjunction" in expression)) return isAllowed(expression, allowed);
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
