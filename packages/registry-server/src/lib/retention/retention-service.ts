import type { CanonicalName } from "@lading/core-manifest";
import type { Clock, MetadataStore } from "../ports.ts";
import type { AuditEntry, VersionRecord } from "../records.ts";
import {
  isForgotten,
  isInUse,
  isNamed,
  retiredVersions,
  type ForgottenSubmission,
  type RetentionPolicy,
  type RetiredVersion,
} from "./retention-policy.ts";

/** Reviews that are read at a time. */
const PAGE = 100;

/** What the policy would remove now. */
export interface RetentionPlan {
  readonly versions: readonly RetiredVersion[];
  readonly submissions: readonly ForgottenSubmission[];
  /** Bytes of the package files of both. */
  readonly bytes: number;
}

/** Who has something removed. */
export type Remover = Pick<AuditEntry, "actor"> & Partial<AuditEntry>;

class StillNeeded extends Error {}

/** Removes what the operator's policy does not keep. */
export class RetentionService {
  readonly #metadata: MetadataStore;
  readonly #clock: Clock;
  readonly #policy: RetentionPolicy | undefined;

  constructor(options: {
    readonly metadata: MetadataStore;
    readonly clock: Clock;
    readonly policy: RetentionPolicy | undefined;
  }) {
    this.#metadata = options.metadata;
    this.#clock = options.clock;
    this.#policy = options.policy;
  }

  /** Whether there is a policy. */
  get isConfigured(): boolean {
    return this.#policy !== undefined;
  }

  /** What would be removed now; changes nothing. */
  async plan(): Promise<RetentionPlan> {
    const policy = this.#policy;
    if (policy === undefined) return { versions: [], submissions: [], bytes: 0 };
    const now = this.#clock.now();
    const versions: RetiredVersion[] = [];
    if (policy.prereleases.length > 0) {
      for (const canonical of await this.#metadata.packageNames())
        versions.push(...(await this.#retired(policy, canonical, now)));
    }
    const submissions = await this.#forgotten(policy, now);
    const bytes = [...versions, ...submissions].reduce((sum, one) => sum + one.bytes, 0);
    return { versions, submissions, bytes };
  }

  async #retired(policy: RetentionPolicy, canonical: CanonicalName, now: number): Promise<readonly RetiredVersion[]> {
    const summary = await this.#metadata.package(canonical);
    if (summary === undefined) return [];
    return retiredVersions(policy, summary, { versions: await this.#metadata.versions(canonical), now });
  }

  async #forgotten(policy: RetentionPolicy, now: number): Promise<readonly ForgottenSubmission[]> {
    const found: ForgottenSubmission[] = [];
    for (let page = 1; ; page += 1) {
      const { items, total } = await this.#metadata.reviews.reviews({
        states: ["held", "rejected", "appealed"],
        page,
        perPage: PAGE,
      });
      for (const review of items) {
        if (isForgotten(policy, review, now)) found.push({ review, bytes: review.publication.artifact.size });
      }
      if (page * PAGE >= total) return found;
    }
  }

  /**
   * Takes a planned version down for good: number and digests stay, and the log says so. `false` where it is needed by now:
   * downloaded, named by a channel, or changed since the plan was made.
   */
  async retire({ canonical, version: planned, reason }: RetiredVersion, by: Remover): Promise<boolean> {
    const now = this.#clock.now();
    const { status, reason: former, replacement } = planned;
    const before = {
      status,
      ...(former === undefined ? {} : { reason: former }),
      ...(replacement === undefined ? {} : { replacement }),
    };
    try {
      const record = await this.#metadata.setStatus({
        canonical,
        version: planned.version,
        status: "removed",
        reason: `Removed by the registry: ${reason}`,
        removal: { reason, at: now, purge: true, before },
        audit: {
          at: now,
          action: "version.retire",
          package: canonical,
          version: planned.version,
          details: { reason },
          ...by,
        },
        check: (current, summary) => {
          if (isNamed(summary, current)) throw new StillNeeded();
          this.#requireUnneeded(current, planned, now);
        },
      });
      return record !== undefined;
    } catch (error) {
      if (error instanceof StillNeeded) return false;
      throw error;
    }
  }

  // In the transaction: what was downloaded or changed since the plan was made is not what the plan was about.
  #requireUnneeded(current: VersionRecord, planned: VersionRecord, now: number): void {
    const same = current.status === planned.status && current.artifacts.length === planned.artifacts.length;
    if (!same || current.removed !== undefined || isInUse(this.#policy!, current, now)) throw new StillNeeded();
  }

  /**
   * Forgets a planned submission; `false` where somebody decided about it meanwhile. Its files are open to whoever knows their
   * digests from then on: they must be deleted before anybody can ask.
   */
  async forget({ review }: ForgottenSubmission, by: Remover): Promise<boolean> {
    const now = this.#clock.now();
    const { name, version } = review.publication;
    const details = { review: review.id, state: review.state };
    const audit = { at: now, action: "review.forget", package: name, version, details, ...by };
    return this.#metadata.reviews.forget({ id: review.id, state: review.state, updated: review.updated, audit });
  }
}
