import type { PublisherDemand } from "../package-policy.ts";
import type { RegistrySettings } from "../settings.ts";
import { isPrivate, type AccessPolicy, type AccessRule } from "./access-policy.ts";
import { patternsOverlap } from "../pattern-overlap.ts";

function narrowed(
  { publishers }: Pick<RegistrySettings, "publishers">,
  keep: (pattern: string) => boolean,
): { readonly publishers?: readonly PublisherDemand[] } {
  const kept = (publishers ?? [])
    .map((demand) => ({ ...demand, names: demand.names.filter(keep) }))
    .filter(({ names }) => names.length > 0);
  return kept.length === 0 ? {} : { publishers: kept };
}

function without(settings: RegistrySettings): RegistrySettings {
  const { publishers: _, ...rest } = settings;
  return rest;
}

/** Settings whose demands of publishers, which everybody may read, name no private package. */
export function publicDemands(settings: RegistrySettings, policy: AccessPolicy): RegistrySettings {
  const isHidden = (pattern: string): boolean => {
    const rule = policy.ruleOf(pattern);
    return rule !== undefined && isPrivate(rule);
  };
  return { ...without(settings), ...narrowed(settings, (pattern) => !isHidden(pattern)) };
}

/** Settings with the demands that are about the packages of a rule. */
export function treeDemands(settings: RegistrySettings, rule: AccessRule): RegistrySettings {
  return { ...without(settings), ...narrowed(settings, (pattern) => patternsOverlap(pattern, rule.pattern)) };
}
