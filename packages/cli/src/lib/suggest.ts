import { editDistance } from "./edit-distance.ts";
import type { Route } from "./spec.ts";

/** At most three visible lines that begin with `input`, else those that are spelled almost like it, the closest first. */
export function closestRoutes(input: string, routes: readonly Route[]): string[] {
  const begun = routes.filter(({ hidden, words }) => !hidden && input.length > 1 && words.startsWith(input));
  if (begun.length > 0) return begun.slice(0, 3).map(({ words }) => words);
  const limit = Math.max(1, Math.floor(input.length / 3));
  return routes
    .filter((route) => !route.hidden)
    .map((route) => ({ words: route.words, distance: editDistance(input, route.words) }))
    .filter(({ distance }) => distance <= limit)
    .toSorted((left, right) => left.distance - right.distance)
    .slice(0, 3)
    .map(({ words }) => words);
}
