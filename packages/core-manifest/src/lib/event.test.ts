import { describe, expect, it } from "vitest";
import { ignoreEvents, type LadingEvent } from "./event.ts";
import { recordEvents } from "./testing-builders.ts";

describe("LadingEvent", () => {
  const events: readonly LadingEvent[] = [
    { type: "step-started", step: "resolve", message: "Resolving" },
    { type: "downloading", url: "https://registry.example/a", downloadedBytes: 5, totalBytes: 10 },
    { type: "step-completed", step: "resolve", message: "Resolved", durationMs: 3 },
  ];

  it("is recorded in order by recordEvents(), and by type", () => {
    const recorded = recordEvents();
    for (const event of events) recorded.onEvent(event);
    expect(recorded.events).toEqual(events);
    expect(recorded.of("downloading").map(({ downloadedBytes }) => downloadedBytes)).toEqual([5]);
  });

  it("survives NDJSON", () => {
    const lines = events.map((event) => JSON.stringify(event)).join("\n");
    expect(lines.split("\n").map((line) => JSON.parse(line) as unknown)).toEqual(events);
  });

  it("is ignored by ignoreEvents()", () => {
    expect(ignoreEvents(events[0]!)).toBeUndefined();
  });
});
