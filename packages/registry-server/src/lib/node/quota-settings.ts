import { QUOTA_KINDS, QUOTA_MEASURES, type QuotaKind, type QuotaLimits, type QuotaMeasure } from "../quotas/quota.ts";
import type { ConfigValues, Setting } from "./setting.ts";

const SUBJECTS: Readonly<Record<QuotaKind, string>> = {
  user: "each account published",
  organisation: "the namespaces of each organisation hold",
  package: "each package holds",
  registry: "the registry holds",
};
const COUNTED: Readonly<Record<QuotaMeasure, string>> = {
  packages: "Most packages that",
  versions: "Most versions that",
  bytes: "Most bytes of package files that",
};

interface QuotaSetting extends Setting {
  readonly quota: QuotaKind;
  readonly measure: QuotaMeasure;
}

function settingOf(quota: QuotaKind, measure: QuotaMeasure): QuotaSetting {
  return {
    quota,
    measure,
    key: `quotas.${quota}_${measure}`,
    variables: [`REGISTRY_QUOTA_${quota.toUpperCase()}_${measure.toUpperCase()}`],
    flag: `quota-${quota}-${measure}`,
    kind: measure === "bytes" ? "size" : "number",
    minimum: 0,
    summary: `${COUNTED[measure]} ${SUBJECTS[quota]}; not limited unless set`,
  };
}

/** Settings about how much may be stored. */
export const QUOTA_SETTINGS: readonly QuotaSetting[] = QUOTA_KINDS.flatMap((quota) =>
  // A package is one package.
  QUOTA_MEASURES.filter((measure) => quota !== "package" || measure !== "packages").map((measure) =>
    settingOf(quota, measure),
  ),
);

/** The limits that are set. */
export function quotaConfig(values: ConfigValues): Readonly<Partial<Record<QuotaKind, QuotaLimits>>> {
  const found: Partial<Record<QuotaKind, QuotaLimits>> = {};
  for (const { quota, measure, key } of QUOTA_SETTINGS)
    if (values.has(key)) found[quota] = { ...found[quota], [measure]: values.number(key) };
  return found;
}
