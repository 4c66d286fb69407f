import { editDistance } from "./edit-distance.ts";
import type { Route } from "./spec.ts";

/** At most three visible lines that are spelled almost like `input`, the closest first. */
export function closestRoutes(input: string, routes: readonly Route[]): string[] {
  const limit = Math.max(1, Math.floor(input.length / 3));
  return routes
    .filter((route) => !route.hidden)
    .map((route) => ({ words: route.words, distance: editDistance(input, route.words) }))
    .filter(({ distance }) => distance <= limit)
    .toSorted((left, right) => left.distance - right.distance)
    .slice(0, 3)
    .map(({ words }) => words);
}
