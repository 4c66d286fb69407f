import { satisfiesLicensePolicy, validateLicense } from "@lading/core-manifest";
import { isListOf, tryParseJson, type SuiteResult } from "./suite.ts";

type Failure = string | undefined;

/** Parse cases: `{input, expect}`, where `expect` is `"throws"` or the parsed expression. */
function judgeParsing(value: unknown): Failure[] | undefined {
  if (!isListOf(value, ["input"]) || !value.every((one) => "expect" in one)) return undefined;
  return (value as readonly { input: string; expect: unknown }[]).map(({ input, expect }) => {
    const valid = validateLicense(input).valid;
    return valid === (expect !== "throws") ? undefined : `${JSON.stringify(input)}: ${valid ? "valid" : "invalid"}`;
  });
}

/** Policy cases: `{expr, allow, expect}`. */
function judgePolicies(value: unknown): Failure[] | undefined {
  if (!isListOf(value, ["expr"]) || !value.every((one) => Array.isArray(one["allow"]))) return undefined;
  return (value as unknown as readonly { expr: string; allow: string[]; expect: boolean }[]).map(
    ({ expr, allow, expect }) =>
      satisfiesLicensePolicy(expr, allow) === expect ? undefined : `"${expr}" under ${allow.join(", ")}: not ${expect}`,
  );
}

/** Runs a file of SPDX expression cases; `undefined` for another file. */
export function runSpdx(file: string, text: string): SuiteResult | undefined {
  const value = tryParseJson(text);
  const parsing = judgeParsing(value);
  const results = parsing ?? judgePolicies(value);
  if (results === undefined) return undefined;
  const failures = results.filter((failure) => failure !== undefined);
  return {
    suite: "spdx",
    form: parsing === undefined ? "satisfies" : "parse",
    file,
    passed: results.length - failures.length,
    failures,
    data: { file, failures },
  };
}
